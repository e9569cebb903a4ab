import os
import pathlib
import tempfile
import time

import grpc

from harness import TIMEOUT, Requests, ServiceTest, stubs

pb, services = stubs("fileupload")


def chunks(name, *parts):
    last = len(parts) - 1
    return [pb.FileChunk(filename=name, data=data, chunk_index=i, is_last=i == last) for i, data in enumerate(parts)]


class FileUpload(ServiceTest):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.data = pathlib.Path(folder.name)
        super().setUpClass()

    def setUp(self):
        self.stub = services.FileUploadServiceStub(self.channel)

    def upload(self, messages):
        return self.stub.Upload(iter(messages), timeout=TIMEOUT)

    def files(self):
        """The names of all files in the upload folder, incomplete ones too."""
        folder = self.data / "files" / "uploads"
        return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []

    def probe_until(self, condition):
        """Uploads a file that exists already, repeatedly, until the condition holds."""
        limit = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), limit, self.files())
            self.upload(chunks("probe.txt", b""))

    def test_a_file_arrives_whole(self):
        parts = [os.urandom(64 << 10) for _ in range(12)] + [b""]
        answer = self.upload(chunks("blob.bin", *parts))
        self.assertEqual((answer.filename, answer.total_bytes, answer.total_chunks, answer.success),
                         ("blob.bin", 12 << 16, 13, True))
        self.assertTrue((self.data / "files" / "uploads" / "blob.bin").read_bytes() == b"".join(parts))

    def test_only_the_first_chunk_needs_the_name(self):
        messages = chunks("once.txt", b"a", b"b")
        messages[1].filename = ""
        self.assertTrue(self.upload(messages).success)
        self.assertEqual((self.data / "files" / "uploads" / "once.txt").read_bytes(), b"ab")

    def test_a_file_is_replaced_as_a_whole(self):
        for content in (b"first version", b"second"):
            self.upload(chunks("again.txt", content))
            self.assertEqual((self.data / "files" / "uploads" / "again.txt").read_bytes(), content)

    def test_what_is_wrong_is_refused_and_leaves_no_file(self):
        late = chunks("late.txt", b"a", b"b") + [pb.FileChunk(data=b"c", chunk_index=2, is_last=True)]
        cases = {
            "nothing at all": [],
            "an empty name": chunks("", b"a"),
            "a path": chunks("../evil.txt", b"a"),
            "an absolute path": chunks("/tmp/evil.txt", b"a"),
            "a Windows path": chunks("..\\evil.txt", b"a"),
            "a dot": chunks("..", b"a"),
            "a zero byte": chunks("a\0b", b"a"),
            "a name too long": chunks("n" * 256, b"a"),
            "a gap": [chunks("gap.txt", b"a", b"b", b"c")[i] for i in (0, 2)],
            "a repeated chunk": [chunks("twice.txt", b"a", b"b")[0]] * 2,
            "a wrong start": [pb.FileChunk(filename="start.txt", data=b"a", chunk_index=1, is_last=True)],
            "a changed name": chunks("one.txt", b"a", b"b")[:1] + chunks("two.txt", b"a", b"b")[1:],
            "no end": chunks("open.txt", b"a", b"b")[:1],
            "more after the end": late,
        }
        before = self.files()
        for what, messages in cases.items():
            with self.subTest(what):
                error = self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.Upload, iter(messages))
                self.assertNotEqual(error.details(), "")
                self.assertEqual(self.files(), before)

    def test_a_lost_client_leaves_no_file(self):
        self.upload(chunks("probe.txt", b""))
        before = self.files()
        for end in ("cancel", "close"):
            with self.subTest(end):
                channel = self.new_channel()
                requests = Requests()
                call = services.FileUploadServiceStub(channel).Upload.future(iter(requests), timeout=TIMEOUT)
                requests.send(pb.FileChunk(filename="lost.bin", data=b"x" * 100_000))
                self.probe_until(lambda: self.files() != before)
                self.assertNotIn("lost.bin", self.files())
                call.cancel() if end == "cancel" else channel.close()
                requests.end()
                self.probe_until(lambda: self.files() == before)
