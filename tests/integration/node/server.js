// A gRPC server on @grpc/grpc-js that takes any message for Export and answers as the request's x-want header says.
// argv[2]: JSON with address, key, certificates, authority (PEM files' paths), channel (options).
// stdout: "port N", then each message in base64, a line each.
"use strict";
const fs = require("fs");
const grpc = require("@grpc/grpc-js");

const METHOD = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const told = JSON.parse(process.argv[2]);
const unchanged = (bytes) => bytes;

function take(call, answer) {
  const want = JSON.parse(call.metadata.get("x-want")[0] || "{}");
  process.stdout.write(call.request.toString("base64") + "\n");
  if (want.hang) return;
  if (!want.status) return answer(null, Buffer.from(want.body || "", "hex"));
  const trailers = new grpc.Metadata();
  if (want.details) trailers.set("grpc-status-details-bin", Buffer.from(want.details, "hex"));
  answer({ code: want.status, details: want.message || "", metadata: trailers });
}

function credentials() {
  if (!told.key) return grpc.ServerCredentials.createInsecure();
  const authority = told.authority ? fs.readFileSync(told.authority) : null;
  const pair = { private_key: fs.readFileSync(told.key), cert_chain: fs.readFileSync(told.certificates) };
  return grpc.ServerCredentials.createSsl(authority, [pair], authority !== null);
}

const server = new grpc.Server(told.channel || {});
server.register(METHOD, take, unchanged, unchanged, "unary");
server.bindAsync(told.address, credentials(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`port ${port}\n`);
});
