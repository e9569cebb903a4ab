"""The examples, each served from its own folder."""

import os
import subprocess

import grpc

from harness import MOONWIRE, ROOT, TIMEOUT, Requests, ServiceTest, stubs

USERS, PROFILES, ORDERS = (ROOT / "examples" / name for name in ("users", "profiles", "orders"))
users, user_services = stubs("userservice", USERS)
profiles, profile_services = stubs("user", PROFILES)
orders, order_services = stubs("orders", ORDERS)


class Example(ServiceTest):
    """An example has a script, client.sh, that calls each method once."""

    def run_client(self):
        """The lines that the example's client.sh prints."""
        return subprocess.run([self.folder / "client.sh", self.server.address],
                              env={**os.environ, "MOONWIRE": MOONWIRE}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT).stdout


class Users(Example):
    folder = USERS

    def setUp(self):
        self.stub = user_services.UserServiceStub(self.channel)

    def create(self, name, email=None):
        request = users.CreateUserRequest(username=name, email=email or f"{name}@example.com")
        return self.stub.CreateUser(request, timeout=TIMEOUT).user

    def get(self, id):
        return self.stub.GetUser(users.GetUserRequest(id=id), timeout=TIMEOUT).user

    def page(self, size=0, token=""):
        return self.stub.ListUsers(users.ListUsersRequest(page_size=size, page_token=token), timeout=TIMEOUT)

    def all(self, size=1000):
        found, token = [], ""
        while True:
            page = self.page(size, token)
            found += page.users
            token = page.next_page_token
            if not token:
                return found

    def test_alice_and_bob_are_there(self):
        alice, bob = self.get(1), self.get(2)
        self.assertEqual((alice.username, list(alice.roles)), ("alice", ["admin"]))
        self.assertEqual((bob.username, list(bob.roles)), ("bob", ["user"]))

    def test_the_client_script_shows_what_it_says(self):
        shown = self.run_client()
        for words in ("\"username\":\"alice\"", "NOT_FOUND: User ID not found: 4711", "ALREADY_EXISTS",
                      "google.rpc.BadRequest", "\"createdCount\":2", "DEADLINE_EXCEEDED", "anybody there?"):
            self.assertIn(words, shown)

    def test_get_refuses_ids_that_are_none(self):
        for id in (0, -1):
            self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.GetUser, users.GetUserRequest(id=id))
        error = self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.GetUser, users.GetUserRequest(id=99999))
        self.assertIn("User ID not found", error.details())

    def test_create_gives_the_role_user(self):
        created = self.create("carol")
        self.assertEqual(list(created.roles), ["user"])
        self.assertEqual(created.status, users.ACTIVE)
        self.assertEqual(self.get(created.id), created)

    def test_create_refuses_a_username_that_is_taken(self):
        self.create("dave")
        for name in ("dave", "alice"):
            request = users.CreateUserRequest(username=name, email="other@example.com")
            self.assertFails(grpc.StatusCode.ALREADY_EXISTS, self.stub.CreateUser, request)

    def test_create_names_the_bad_field(self):
        for email in ("", "nobody", "a@b", "a b@example.com", "a@@example.com", "@example.com", "a@example..com"):
            with self.subTest(email=email):
                request = users.CreateUserRequest(username="eve", email=email)
                error = self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.CreateUser, request)
                details = dict(error.trailing_metadata())["grpc-status-details-bin"]
                self.assertIn(b"type.googleapis.com/google.rpc.BadRequest", details)
                self.assertIn(b"email", details)

    def test_pages_join_to_the_whole(self):
        for n in range(15):
            self.create(f"paged{n}")
        whole = self.all()
        self.assertEqual([user.id for user in whole], sorted(user.id for user in whole))
        self.assertEqual(self.all(size=3), whole)
        self.assertEqual(len(self.page().users), 10)
        self.assertNotEqual(self.page().next_page_token, "")

    def test_users_added_between_pages_disturb_nothing(self):
        before = self.all()
        first = self.page(2)
        self.create("between")
        rest, token = [], first.next_page_token
        while token:
            page = self.page(2, token)
            rest += page.users
            token = page.next_page_token
        ids = [user.id for user in list(first.users) + rest]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(ids[:len(before)], [user.id for user in before])

    def test_forged_page_tokens_are_refused(self):
        token = self.page(1).next_page_token
        forged = ("2", "x", token[:-1], token + "00", token[::-1], "\0", "0" * len(token))
        for one in forged:
            with self.subTest(token=one):
                self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.ListUsers,
                                 users.ListUsersRequest(page_token=one))

    def test_watch_shows_those_that_exist_and_each_new_one_once(self):
        existing = [user.id for user in self.all()]
        stream = self.stub.WatchUsers(users.WatchUsersRequest(), timeout=TIMEOUT)
        seen = [next(stream).id for _ in existing]
        self.assertEqual(sorted(seen), existing)
        other = user_services.UserServiceStub(self.new_channel())
        for n in range(20):
            stub = other if n % 2 else self.stub
            request = users.CreateUserRequest(username=f"watched{n}", email="w@example.com")
            created = stub.CreateUser(request, timeout=TIMEOUT).user
            self.assertEqual(next(stream), created)
        stream.cancel()

    def test_watch_filters_by_role(self):
        stream = self.stub.WatchUsers(users.WatchUsersRequest(role_filter="admin"), timeout=TIMEOUT)
        self.assertEqual(next(stream).username, "alice")
        stream.cancel()

    def bulk(self, *requests):
        return self.stub.BulkCreateUsers(iter(requests), timeout=TIMEOUT)

    def test_bulk_creates_all_or_none(self):
        def request(name):
            return users.CreateUserRequest(username=name, email=f"{name}@example.com")
        self.assertEqual(self.bulk(*[request(f"bulk{n}") for n in range(50)]).created_count, 50)
        self.assertEqual(self.bulk().created_count, 0)
        before = [user.username for user in self.all()]
        self.assertTrue({f"bulk{n}" for n in range(50)} <= set(before))

        bad = users.CreateUserRequest(username="bulkx", email="nonsense")
        cases = [(grpc.StatusCode.ALREADY_EXISTS, [request("none1"), request("bulk7")]),
                 (grpc.StatusCode.ALREADY_EXISTS, [request("none2"), request("none2")]),
                 (grpc.StatusCode.INVALID_ARGUMENT, [request("none3"), bad])]
        for code, requests in cases:
            self.assertFails(code, self.stub.BulkCreateUsers, iter(requests))
        self.assertEqual([user.username for user in self.all()], before)

    def test_chat_reaches_everybody_on_every_worker(self):
        members = []
        for n in range(6):
            requests = Requests()
            stub = user_services.UserServiceStub(self.new_channel())
            members.append((requests, stub.UserChat(iter(requests), timeout=TIMEOUT)))
            # Receiving its own message confirms that it is in the room.
            requests.send(users.ChatMessage(sender=f"m{n}", text="hello"))
            while next(members[-1][1]).sender != f"m{n}":
                pass
        for n, (requests, _) in enumerate(members):
            requests.send(users.ChatMessage(sender=f"m{n}", text="to all"))
        for requests, responses in members:
            heard = set()
            while len(heard) < len(members):
                message = next(responses)
                if message.text == "to all":
                    heard.add(message.sender)
            requests.end()
        for _, responses in members:
            list(responses)  # raises unless the stream ends with OK

    def test_chat_tells_everything_before_it_ends(self):
        said = [users.ChatMessage(sender="solo", text=str(n)) for n in range(50)]
        heard = [message for message in self.stub.UserChat(iter(said), timeout=TIMEOUT) if message.sender == "solo"]
        self.assertEqual(heard, said)


class Profiles(Example):
    folder = PROFILES

    def setUp(self):
        self.stub = profile_services.UserServiceStub(self.channel)

    def list(self, **fields):
        return list(self.stub.ListUsers(profiles.ListUsersRequest(**fields), timeout=TIMEOUT))

    def test_the_profile_comes_only_when_asked_for(self):
        first = self.list()[0]
        self.assertFalse(first.HasField("profile"))
        request = profiles.UserRequest(user_id=first.id)
        self.assertEqual(self.stub.GetUser(request, timeout=TIMEOUT), first)
        request.include_profile = True
        self.assertNotEqual(self.stub.GetUser(request, timeout=TIMEOUT).profile.bio, "")
        self.assertTrue(all(user.HasField("profile") for user in self.list(include_profile=True)))

    def test_the_client_script_shows_what_it_says(self):
        shown = self.run_client()
        for words in ("\"name\":\"Ada\"", "\"bio\":", "NOT_FOUND"):
            self.assertIn(words, shown)

    def test_an_unknown_user_is_not_found(self):
        self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.GetUser, profiles.UserRequest(user_id="nobody"))

    def test_pages(self):
        ids = [user.id for user in self.list()]
        paged, after = [], ""
        while True:
            page = [user.id for user in self.list(page_size=1, after_id=after)]
            if not page:
                break
            paged += page
            after = page[-1]
        self.assertEqual(paged, ids)
        self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.ListUsers,
                         profiles.ListUsersRequest(page_size=-1))


class Orders(Example):
    folder = ORDERS

    def setUp(self):
        self.stub = order_services.OrderServiceStub(self.channel)

    def event(self, type, order_id="", **fields):
        return orders.Event(type=type, order_id=order_id, **fields)

    def upload(self, *events):
        return self.stub.UploadEvents(iter(events), timeout=TIMEOUT)

    def place(self, user_id, cents=100):
        total = orders.Money(currency="EUR", amount_cents=cents)
        return self.upload(self.event(orders.Event.PLACED, user_id=user_id, total=total)).order_ids[0]

    def get(self, id):
        return self.stub.GetOrder(orders.GetOrderRequest(id=id), timeout=TIMEOUT)

    def test_an_order_is_placed_and_moves_along(self):
        id = self.place("ann", 1 << 40)
        order = self.get(id)
        self.assertEqual((order.user_id, order.total.currency, order.total.amount_cents), ("ann", "EUR", 1 << 40))
        self.assertEqual(order.status, orders.ORDER_STATUS_PENDING)
        self.assertGreater(order.created_at.seconds, 1_600_000_000)
        kinds = orders.Event.CONFIRMED, orders.Event.SHIPPED, orders.Event.DELIVERED
        self.assertEqual(self.upload(*[self.event(kind, id) for kind in kinds]).applied, 3)
        self.assertEqual(self.get(id).status, orders.ORDER_STATUS_DELIVERED)

    def test_the_client_script_shows_what_it_says(self):
        shown = self.run_client()
        for words in ("\"orderIds\":", "ORDER_STATUS_PENDING", "\"applied\":2", "FAILED_PRECONDITION", "where is it?"):
            self.assertIn(words, shown)

    def test_a_step_out_of_turn_is_refused(self):
        id = self.place("ann")
        error = self.assertFails(grpc.StatusCode.FAILED_PRECONDITION, self.stub.UploadEvents,
                                 iter([self.event(orders.Event.SHIPPED, id)]))
        self.assertIn("ORDER_STATUS_PENDING", error.details())
        self.assertEqual(self.get(id).status, orders.ORDER_STATUS_PENDING)

    def test_bad_events_are_refused(self):
        cases = [(grpc.StatusCode.NOT_FOUND, self.event(orders.Event.CONFIRMED, "order-9999")),
                 (grpc.StatusCode.INVALID_ARGUMENT, self.event(orders.Event.TYPE_UNSPECIFIED, self.place("ann"))),
                 (grpc.StatusCode.INVALID_ARGUMENT, self.event(77, self.place("ann"))),
                 (grpc.StatusCode.INVALID_ARGUMENT, self.event(orders.Event.PLACED))]
        for code, event in cases:
            self.assertFails(code, self.stub.UploadEvents, iter([event]))
        self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.GetOrder, orders.GetOrderRequest(id="order-9999"))

    def test_lists_and_streams_are_a_users_own(self):
        placed = []
        for _ in range(5):
            placed.append(self.place("lists"))
            self.place("somebody else")
        stream = self.stub.StreamOrders(orders.GetOrdersRequest(user_id="lists"), timeout=TIMEOUT)
        self.assertEqual([order.id for order in stream], placed)
        everybody = list(self.stub.StreamOrders(orders.GetOrdersRequest(), timeout=TIMEOUT))
        self.assertGreaterEqual(len(everybody), 10)

        paged, token = [], ""
        while True:
            request = orders.ListOrdersRequest(user_id="lists", page_size=2, page_token=token)
            page = self.stub.ListOrders(request, timeout=TIMEOUT)
            paged += [order.id for order in page.orders]
            token = page.next_page_token
            if not token:
                break
            self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.ListOrders,
                             orders.ListOrdersRequest(user_id="somebody else", page_token=token))
        self.assertEqual(paged, placed)

    def test_chat_is_about_one_order(self):
        one, other = self.place("ann"), self.place("ann")

        def say(id, count):
            return [orders.ChatMessage(order_id=id, sender="ann", text=str(n)) for n in range(count)]
        self.assertEqual(list(self.stub.Chat(iter(say(one, 10)), timeout=TIMEOUT)), say(one, 10))
        self.assertEqual(list(self.stub.Chat(iter(say(other, 1)), timeout=TIMEOUT)), say(other, 1))
        self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.Chat, iter(say("order-9999", 1)))
        self.assertEqual(list(self.stub.Chat(iter([]), timeout=TIMEOUT)), [])
