#!/bin/sh
# Calls every method once. usage: ./client.sh [HOST:PORT]
cd "$(dirname "$0")" || exit 1
server=${1:-127.0.0.1:50051}
moonwire=${MOONWIRE:-moonwire}
name=user$(date +%s)

call() {
  method=$1
  shift
  echo "== $method $*"
  "$moonwire" call "$server" "userservice.UserService/$method" "$@"
}

call GetUser '{"id": 1}'
call GetUser '{"id": 4711}' # NOT_FOUND
call CreateUser "{\"username\": \"$name\", \"email\": \"$name@example.com\"}"
call CreateUser "{\"username\": \"$name\", \"email\": \"again@example.com\"}" # ALREADY_EXISTS
call CreateUser '{"username": "mallory", "email": "nowhere"}'                 # INVALID_ARGUMENT, with details
call ListUsers '{"pageSize": 2}'

printf '{"username": "%s", "email": "a@example.com"}\n{"username": "%s", "email": "b@example.com"}\n' \
  "$name-a" "$name-b" |
  call BulkCreateUsers -

# This stream has no end of its own: a deadline ends it.
call WatchUsers --deadline 1s '{"roleFilter": "admin"}'
printf '{"sender": "%s", "text": "hello"}\n{"sender": "%s", "text": "anybody there?"}\n' "$name" "$name" |
  call UserChat -
