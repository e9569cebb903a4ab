// race.Race on grpc-js.
//
// usage: node server.js HOST:PORT PROTO   prints "listening on HOST:PORT" when it is ready
"use strict";

const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [address, proto] = process.argv.slice(2);
if (!proto) {
  console.error("usage: node server.js HOST:PORT PROTO");
  process.exit(2);
}

function hello(call, callback) {
  callback(null, { text: `Hello ${call.request.name}!` });
}

function echo(call, callback) {
  const { title, text, tags } = call.request;
  callback(null, { title, text, tags });
}

function list(call) {
  const { count, text } = call.request;
  let number = 0;
  const send = () => {
    while (number < count) {
      number += 1;
      if (!call.write({ number, text })) {
        call.once("drain", send);
        return;
      }
    }
    call.end();
  };
  send();
}

function upload(call, callback) {
  let bytes = 0;
  call.on("data", (chunk) => {
    bytes += chunk.data.length;
  });
  call.on("end", () => callback(null, { bytes }));
}

function pingPong(call) {
  call.on("data", (item) => call.write(item));
  call.on("end", () => call.end());
}

const { race } = grpc.loadPackageDefinition(protoLoader.loadSync(proto, { longs: Number, defaults: true }));
const server = new grpc.Server();
server.addService(race.Race.service, { hello, echo, list, upload, pingPong });
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.log(`listening on 127.0.0.1:${port}`);
});
