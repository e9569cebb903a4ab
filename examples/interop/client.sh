#!/bin/sh
# Calls every method once. usage: ./client.sh [HOST:PORT]
cd "$(dirname "$0")" || exit 1
server=${1:-127.0.0.1:50051}
moonwire=${MOONWIRE:-moonwire}

call() {
  method=$1
  shift
  echo "== $method $*"
  "$moonwire" call "$server" "grpc.testing.TestService/$method" "$@"
}

call EmptyCall '{}'
call UnaryCall '{"responseSize": 8, "fillServerId": true}'
call UnaryCall '{"responseStatus": {"code": 2, "message": "as asked"}}'
zeros="{\"body\": \"$(printf '%0400d' 0)\"}"
call UnaryCall "{\"expectCompressed\": {\"value\": true}, \"payload\": $zeros}" --compress gzip
call UnaryCall "{\"expectCompressed\": {\"value\": true}, \"payload\": $zeros}" # INVALID_ARGUMENT
call CacheableUnaryCall '{}' --verbose
call StreamingOutputCall '{"responseParameters": [{"size": 3}, {"size": 5, "intervalUs": 10000}]}'
printf '{"payload": {"body": "AAAA"}}\n{"payload": {"body": "AAA="}}\n' | call StreamingInputCall -
printf '{"responseParameters": [{"size": 1}]}\n{"responseStatus": {"code": 15}}\n' | call FullDuplexCall -
printf '{"responseParameters": [{"size": 1}]}\n{"responseParameters": [{"size": 2}]}\n' | call HalfDuplexCall -
call UnimplementedCall '{}' # UNIMPLEMENTED
