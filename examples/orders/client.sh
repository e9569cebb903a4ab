#!/bin/sh
# Places an order, advances it, and lists it. usage: ./client.sh [HOST:PORT]
cd "$(dirname "$0")" || exit 1
server=${1:-127.0.0.1:50051}
moonwire=${MOONWIRE:-moonwire}

call() {
  method=$1
  shift
  echo "== $method $*"
  "$moonwire" call "$server" "com.example.orders.OrderService/$method" "$@"
}

placed=$(echo '{"type": "PLACED", "userId": "ann", "total": {"currency": "EUR", "amountCents": "1999"}}' |
  call UploadEvents -)
echo "$placed"
id=$(echo "$placed" | grep -o 'order-[0-9]*')

call GetOrder "{\"id\": \"$id\"}"
printf '{"orderId": "%s", "type": "CONFIRMED"}\n{"orderId": "%s", "type": "SHIPPED"}\n' "$id" "$id" |
  call UploadEvents -
echo "{\"orderId\": \"$id\", \"type\": \"CONFIRMED\"}" | call UploadEvents - # FAILED_PRECONDITION
call ListOrders '{"userId": "ann", "pageSize": 2}'
call StreamOrders '{"userId": "ann"}'
printf '{"orderId": "%s", "sender": "ann", "text": "where is it?"}\n' "$id" | call Chat -
