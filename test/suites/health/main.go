// A grpc-go client with health checking, for test/suites/health.py.
//
//	health ADDRESS SERVICE
//
// Each line of stdin, "METHOD MILLISECONDS wait|fast", is a call with an empty message, with or without WaitForReady.
// Its status goes to stdout.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // makes connections follow grpc.health.v1.Health/Watch
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

const config = `{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": %q}}`

func call(conn *grpc.ClientConn, method string, milliseconds int, patience string) error {
	timeout := time.Duration(milliseconds) * time.Millisecond
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(patience == "wait"))
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(fmt.Sprintf(config, os.Args[2])))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var method, patience string
		var milliseconds int
		if _, err := fmt.Sscan(lines.Text(), &method, &milliseconds, &patience); err != nil {
			panic(err)
		}
		fmt.Println(status.Code(call(conn, method, milliseconds, patience)))
	}
}
