// race.Race on gRPC C++'s callback API.
//
// usage: server HOST:PORT   prints "listening on HOST:PORT" when it is ready; "--version" prints gRPC's
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "race.grpc.pb.h"

namespace {

using grpc::CallbackServerContext;

class Lister final : public grpc::ServerWriteReactor<race::Item> {
 public:
  explicit Lister(const race::ListRequest *request) : count_(request->count()) {
    item_.set_text(request->text());
    Next();
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      Next();
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  void Next() {
    if (item_.number() == count_) {
      Finish(grpc::Status::OK);
      return;
    }
    item_.set_number(item_.number() + 1);
    StartWrite(&item_);
  }

  const uint32_t count_;
  race::Item item_;
};

class Uploader final : public grpc::ServerReadReactor<race::Chunk> {
 public:
  explicit Uploader(race::UploadReply *reply) : reply_(reply) { StartRead(&chunk_); }

  void OnReadDone(bool ok) override {
    if (ok) {
      bytes_ += chunk_.data().size();
      StartRead(&chunk_);
    } else {
      reply_->set_bytes(bytes_);
      Finish(grpc::Status::OK);
    }
  }

  void OnDone() override { delete this; }

 private:
  race::UploadReply *const reply_;
  race::Chunk chunk_;
  uint64_t bytes_ = 0;
};

class Player final : public grpc::ServerBidiReactor<race::Item, race::Item> {
 public:
  Player() { StartRead(&item_); }

  void OnReadDone(bool ok) override {
    if (ok) {
      StartWrite(&item_);
    } else {
      Finish(grpc::Status::OK);
    }
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&item_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
  race::Item item_;
};

class Race final : public race::Race::CallbackService {
  grpc::ServerUnaryReactor *Hello(CallbackServerContext *context, const race::HelloRequest *request,
                                  race::HelloReply *reply) override {
    reply->set_text("Hello " + request->name() + "!");
    grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor *Echo(CallbackServerContext *context, const race::Document *request,
                                 race::Document *reply) override {
    *reply = *request;
    grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<race::Item> *List(CallbackServerContext *, const race::ListRequest *request) override {
    return new Lister(request);
  }

  grpc::ServerReadReactor<race::Chunk> *Upload(CallbackServerContext *, race::UploadReply *reply) override {
    return new Uploader(reply);
  }

  grpc::ServerBidiReactor<race::Item, race::Item> *PingPong(CallbackServerContext *) override { return new Player(); }
};

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s HOST:PORT\n", argv[0]);
    return 2;
  }
  if (std::strcmp(argv[1], "--version") == 0) {
    std::printf("%s\n", grpc::Version().c_str());
    return 0;
  }
  Race service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(argv[1], grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) {
    std::fprintf(stderr, "%s: cannot listen on %s\n", argv[0], argv[1]);
    return 1;
  }
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  server->Wait();
  return 0;
}
