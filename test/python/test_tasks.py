import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import grpc

from harness import TIMEOUT, Server, ServiceTest, stubs

pb, services = stubs("tasks")


class Tasks(ServiceTest):
    def setUp(self):
        self.stub = services.TaskServiceStub(self.channel)

    def create(self, title="Write", **fields):
        return self.stub.CreateTask(pb.CreateTaskRequest(title=title, **fields), timeout=TIMEOUT)

    def list(self, **filters):
        return list(self.stub.ListTasks(pb.ListTasksRequest(**filters), timeout=TIMEOUT))

    def test_create_answers_with_the_whole_task(self):
        before = int(time.time())
        task = self.create("Write", description="a test", priority=pb.HIGH)
        self.assertRegex(task.id, r"^task-\d{4}$")
        self.assertEqual((task.title, task.description), ("Write", "a test"))
        self.assertEqual((task.priority, task.status), (pb.HIGH, pb.TODO))
        self.assertTrue(before <= task.created_at <= time.time())

    def test_create_refuses_an_empty_title(self):
        error = self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.CreateTask, pb.CreateTaskRequest())
        self.assertIn("title", error.details())

    def test_get_answers_with_what_was_created(self):
        task = self.create("Read", description="ünïcödé \U0001f319")
        self.assertEqual(self.stub.GetTask(pb.GetTaskRequest(id=task.id), timeout=TIMEOUT), task)

    def test_get_of_an_unknown_id_is_not_found(self):
        for unknown in ("task-9999", "", "x" * 10000):
            with self.subTest(id=unknown[:20]):
                error = self.assertFails(
                    grpc.StatusCode.NOT_FOUND, self.stub.GetTask, pb.GetTaskRequest(id=unknown))
                self.assertIn("Task ID not found", error.details())
                self.assertIn(unknown[:20], error.details())

    def test_list_is_in_id_order(self):
        for _ in range(5):
            self.create()
        ids = [task.id for task in self.list()]
        self.assertGreaterEqual(len(ids), 5)
        self.assertEqual(ids, sorted(ids))

    def test_list_filters(self):
        done = self.create("Filter", priority=pb.CRITICAL)
        self.stub.UpdateStatus(pb.UpdateStatusRequest(id=done.id, status=pb.DONE), timeout=TIMEOUT)
        todo = self.create("Filter", priority=pb.CRITICAL)
        other = self.create("Filter")

        critical = [task.id for task in self.list(priority_filter=pb.CRITICAL)]
        self.assertIn(done.id, critical)
        self.assertIn(todo.id, critical)
        self.assertNotIn(other.id, critical)
        self.assertIn(done.id, [task.id for task in self.list(status_filter=pb.DONE)])
        both = [task.id for task in self.list(priority_filter=pb.CRITICAL, status_filter=pb.TODO)]
        self.assertEqual(both, [todo.id])

    def test_list_with_a_filter_of_zero_wants_exactly_zero(self):
        task = self.create("Unspecified")
        unspecified = self.list(priority_filter=pb.PRIORITY_UNSPECIFIED)
        self.assertIn(task.id, [found.id for found in unspecified])
        self.assertEqual({found.priority for found in unspecified}, {pb.PRIORITY_UNSPECIFIED})

    def test_update_changes_the_status_alone(self):
        task = self.create("Update", priority=pb.LOW)
        updated = self.stub.UpdateStatus(pb.UpdateStatusRequest(id=task.id, status=pb.IN_PROGRESS), timeout=TIMEOUT)
        task.status = pb.IN_PROGRESS
        self.assertEqual(updated, task)
        self.assertEqual(self.stub.GetTask(pb.GetTaskRequest(id=task.id), timeout=TIMEOUT), task)

    def test_update_of_an_unknown_id_is_not_found(self):
        self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.UpdateStatus,
                         pb.UpdateStatusRequest(id="task-9999", status=pb.DONE))

    def test_update_refuses_a_status_that_is_none(self):
        task = self.create()
        for status in (pb.STATUS_UNSPECIFIED, 77, -1):
            with self.subTest(status=status):
                self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.UpdateStatus,
                                 pb.UpdateStatusRequest(id=task.id, status=status))

    def test_ids_are_unique_across_connections_and_workers(self):
        stub_list = [services.TaskServiceStub(self.new_channel()) for _ in range(8)]

        def create_some(stub):
            return [stub.CreateTask(pb.CreateTaskRequest(title="Race"), timeout=TIMEOUT).id for _ in range(25)]

        with ThreadPoolExecutor(8) as pool:
            ids = [one for some in pool.map(create_some, stub_list) for one in some]
        self.assertEqual(len(set(ids)), 200)


class TasksOnDisk(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = folder.name

    def serve(self):
        server = Server(data=self.data)
        channel = grpc.insecure_channel(server.address)
        return server, channel, services.TaskServiceStub(channel)

    def test_tasks_and_ids_survive_a_restart(self):
        tasks = []
        for _ in range(3):
            server, channel, stub = self.serve()
            tasks += [stub.CreateTask(pb.CreateTaskRequest(title=f"n {n}"), timeout=TIMEOUT) for n in range(3)]
            found = list(stub.ListTasks(pb.ListTasksRequest(), timeout=TIMEOUT))
            channel.close()
            self.assertEqual(server.stop(), 0, server.logged())
            self.assertEqual(found, tasks)
        self.assertEqual(len({task.id for task in tasks}), 9)
        self.assertEqual(tasks[0].id, "task-0001")

    def test_a_data_folder_has_one_server(self):
        server, channel, _ = self.serve()
        with self.assertRaises(RuntimeError) as caught:
            Server(data=self.data)
        self.assertIn(self.data, str(caught.exception))
        channel.close()
        self.assertEqual(server.stop(), 0)
