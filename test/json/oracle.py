"""An oracle for the JSON mapping: Google's json_format.

    oracle.py SET make SEED COUNT         prints COUNT random messages, a line each: bytes in hex, a blank, JSON
    oracle.py SET check SEED COUNT        reads such lines, made from the same messages by another program, and compares

SET is the descriptor set of all.proto.
"""
import json
import random
import sys

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf import duration_pb2, empty_pb2, field_mask_pb2  # noqa: F401
from google.protobuf import struct_pb2, timestamp_pb2, wrappers_pb2  # noqa: F401
from google.protobuf.descriptor import FieldDescriptor as F

RANGES = {
    F.TYPE_INT32: (-2**31, 2**31 - 1), F.TYPE_SINT32: (-2**31, 2**31 - 1), F.TYPE_SFIXED32: (-2**31, 2**31 - 1),
    F.TYPE_UINT32: (0, 2**32 - 1), F.TYPE_FIXED32: (0, 2**32 - 1),
    F.TYPE_INT64: (-2**63, 2**63 - 1), F.TYPE_SINT64: (-2**63, 2**63 - 1), F.TYPE_SFIXED64: (-2**63, 2**63 - 1),
    F.TYPE_UINT64: (0, 2**64 - 1), F.TYPE_FIXED64: (0, 2**64 - 1),
}
TEXTS = ["", "a", "Grüße", "\0", "\"\\/\b\f\n\r\t", "\u2028\U0001f600", "\x7f</script>", "x" * 100]
DOUBLES = [0.0, -0.0, 1.5, -1e308, 5e-324, 0.1, 1e15, 123456789012345680.0, 1 / 3, 2.5e-8]
FLOATS = [0.0, -0.0, 1.5, 2.9999999784827946e38, 1.401298464324817e-45, 0.10000000149011612, 16777216.0]


class Maker:
    def __init__(self, seed, any_type):
        self.random = random.Random(seed)
        self.any_type = any_type

    def scalar(self, field):
        pick = self.random.choice
        if field.type in RANGES:
            low, high = RANGES[field.type]
            return pick([low, high, 0, 1, self.random.randint(low, high), self.random.randint(0, 999)])
        if field.type == F.TYPE_DOUBLE:
            return pick(DOUBLES + [float("inf"), float("-inf"), float("nan"), self.random.uniform(-1e9, 1e9)])
        if field.type == F.TYPE_FLOAT:
            return pick(FLOATS + [float("inf"), float("nan")])
        if field.type == F.TYPE_BOOL:
            return pick([True, False])
        if field.type == F.TYPE_STRING:
            return pick(TEXTS)
        if field.type == F.TYPE_BYTES:
            return self.random.randbytes(self.random.randrange(7))
        if field.enum_type.name == "NullValue":
            return 0
        return pick([0, 1, 3, -7, 12345])

    def generic(self, depth):
        kind = self.random.randrange(6 if depth else 4)
        if kind == 4:
            return [self.generic(depth - 1) for _ in range(self.random.randrange(4))]
        if kind == 5:
            return {key: self.generic(depth - 1) for key in self.random.sample(TEXTS, self.random.randrange(4))}
        return [None, self.random.choice([0.5, -3.0, 1e300]), self.random.choice(TEXTS), True][kind]

    def special(self, message, depth):
        """Fills a well-known type. Returns False for other types."""
        name = message.DESCRIPTOR.full_name
        if name == "google.protobuf.Timestamp":
            message.seconds = self.random.randint(-62135596800, 253402300799)
            message.nanos = self.random.choice([0, 500000000, 1000, 999999999])
        elif name == "google.protobuf.Duration":
            sign = self.random.choice([1, -1])
            message.seconds = sign * self.random.choice([0, 1, 315576000000 - 1])
            message.nanos = sign * self.random.choice([0, 500000000, 1000, 1])
        elif name == "google.protobuf.FieldMask":
            message.paths.extend(self.random.sample(["a", "foo_bar", "a.b_c.d"], self.random.randrange(4)))
        elif name in ("google.protobuf.Value", "google.protobuf.Struct", "google.protobuf.ListValue"):
            value = self.generic(3)
            if name.endswith("Struct"):
                value = {"key": value}
            elif name.endswith("ListValue"):
                value = [value]
            json_format.ParseDict(value, message)
        elif name == "google.protobuf.Any":
            inner = self.random.choice([self.any_type, timestamp_pb2.Timestamp, wrappers_pb2.UInt64Value,
                                        struct_pb2.Struct])()
            self.fill(inner, depth - 1)
            message.Pack(inner)
        else:
            return False
        return True

    def element(self, field, container, key=None):
        if field.message_type:
            self.fill(container.add() if key is None else container[key], self.depth)
        elif key is None:
            container.append(self.scalar(field))
        else:
            container[key] = self.scalar(field)

    def repeated(self, field, container):
        entry = field.message_type and field.message_type.GetOptions().map_entry
        for _ in range(self.random.randrange(1, 4)):
            if entry:
                fields = field.message_type.fields_by_name
                self.element(fields["value"], container, self.scalar(fields["key"]))
            else:
                self.element(field, container)

    def fill(self, message, depth):
        if self.special(message, depth):
            return
        fields = list(message.DESCRIPTOR.fields)
        for field in self.random.sample(fields, min(len(fields), self.random.randrange(9))):
            if field.message_type and depth <= 0:
                continue
            self.depth = depth - 1
            if field.label == F.LABEL_REPEATED:
                self.repeated(field, getattr(message, field.name))
            elif field.message_type:
                inner = getattr(message, field.name)
                inner.SetInParent()
                self.fill(inner, depth - 1)
            else:
                setattr(message, field.name, self.scalar(field))


def canonical(message):
    return message.SerializeToString(deterministic=True)


def same(expected, got, where):
    # Map entries in the bytes of an Any may have any order: compares again through JSON.
    if canonical(expected) == canonical(got):
        return
    left, right = json_format.MessageToDict(expected), json_format.MessageToDict(got)
    if json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True):
        sys.exit(f"{where}:\nexpected {left}\ngot      {right}")


def main():
    descriptors, action, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pool = descriptor_pool.Default()
    with open(descriptors, "rb") as file:
        for proto in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            if not proto.name.startswith("google/"):
                pool.Add(proto)
    message_class = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("json.All"))
    maker = Maker(seed, message_class)
    for i in range(count):
        message = message_class()
        maker.fill(message, 3)
        if action == "make":
            print(message.SerializeToString().hex() or "-", json_format.MessageToJson(message, indent=None))
            continue
        packed, text = sys.stdin.readline().rstrip("\n").split(" ", 1)
        same(message, message_class.FromString(bytes.fromhex(packed.strip("-"))), f"message {i}, read from JSON")
        same(message, json_format.Parse(text, message_class()), f"message {i}, written as JSON")


main()
