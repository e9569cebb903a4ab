#!/bin/sh
# Calls every method once. usage: ./client.sh [HOST:PORT]
cd "$(dirname "$0")" || exit 1
server=${1:-127.0.0.1:50051}
moonwire=${MOONWIRE:-moonwire}

call() {
  method=$1
  shift
  echo "== $method $*"
  "$moonwire" call "$server" "user.UserService/$method" "$@"
}

call GetUser '{"userId": "1"}'
call GetUser '{"userId": "1", "includeProfile": true}'
call GetUser '{"userId": "nobody"}' # NOT_FOUND
call ListUsers '{"pageSize": 2}'
call ListUsers '{"pageSize": 2, "afterId": "2", "includeProfile": true}'
