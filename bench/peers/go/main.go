// race.Race on grpc-go.
//
// usage: server HOST:PORT   prints "listening on HOST:PORT" when it is ready; "--version" prints grpc-go's
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"

	"moonwire/race/pb"
)

type server struct {
	pb.UnimplementedRaceServer
}

func (server) Hello(_ context.Context, request *pb.HelloRequest) (*pb.HelloReply, error) {
	return &pb.HelloReply{Text: "Hello " + request.GetName() + "!"}, nil
}

func (server) Echo(_ context.Context, request *pb.Document) (*pb.Document, error) {
	return &pb.Document{Title: request.GetTitle(), Text: request.GetText(), Tags: request.GetTags()}, nil
}

func (server) List(request *pb.ListRequest, stream grpc.ServerStreamingServer[pb.Item]) error {
	for number := uint32(1); number <= request.GetCount(); number++ {
		if err := stream.Send(&pb.Item{Number: number, Text: request.GetText()}); err != nil {
			return err
		}
	}
	return nil
}

func (server) Upload(stream grpc.ClientStreamingServer[pb.Chunk, pb.UploadReply]) error {
	var bytes uint64
	for {
		chunk, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&pb.UploadReply{Bytes: bytes})
		}
		if err != nil {
			return err
		}
		bytes += uint64(len(chunk.GetData()))
	}
}

func (server) PingPong(stream grpc.BidiStreamingServer[pb.Item, pb.Item]) error {
	for {
		item, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(item); err != nil {
			return err
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: server HOST:PORT")
		os.Exit(2)
	}
	if os.Args[1] == "--version" {
		fmt.Println(grpc.Version)
		return
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterRaceServer(s, server{})
	fmt.Println("listening on", listener.Addr())
	log.Fatal(s.Serve(listener))
}
