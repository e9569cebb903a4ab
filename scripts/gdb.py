"""Adds to gdb the command `lua-traceback`: the Lua traceback of each coroutine of each worker.

usage: gdb -p PID -x scripts/gdb.py -ex lua-traceback -ex detach -ex quit
       gdb build/moonwire CORE -x scripts/gdb.py -ex lua-traceback

Reads memory and calls nothing, so that it works on a core and stops a server only while it reads. It reads the structs
of Moonwire by their debug information, and those of Lua 5.4 on a 64-bit machine by the offsets below: Debian's library
has no debug information.
"""
import struct

import gdb

POINTER = 8
STACK = 256 * 1024  # bytes of each thread's stack that are searched for its Lua state
LOWEST, HIGHEST = 1 << 16, 1 << 47  # addresses of a process
OBJECTS = 50_000_000  # a longer list of Lua objects is damaged

# Offsets of Lua 5.4, lobject.h and lstate.h.
OBJECT_NEXT, OBJECT_TYPE = 0, 8
STATE_STATUS, STATE_GLOBAL, STATE_CI, STATE_BASE_CI = 10, 24, 32, 96
GLOBAL_ALLGC = 112
CI_FUNC, CI_PREVIOUS, CI_PC, CI_STATUS = 0, 16, 32, 62
CLOSURE_FUNCTION = 24
PROTO_COUNTS, PROTO_CODE, PROTO_LINES, PROTO_ABS_LINES, PROTO_SOURCE = 28, 64, 88, 96, 112
STRING_SHORT_LEN, STRING_LEN, STRING_TEXT = 11, 16, 24
TYPE_THREAD, TYPE_LONG_STRING = 8, 0x14
VALUE_LUA_CLOSURE, VALUE_C_FUNCTION, VALUE_C_CLOSURE = 0x46, 0x16, 0x66
STATUS_YIELD = 1
ABSOLUTE_LINE, INSTRUCTION = -128, 4


def read(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


def read_int(address, form):
    return struct.unpack(form, read(address, struct.calcsize(form)))[0]


def read_pointer(address):
    return read_int(address, "<Q")


def offset_of(type_name, *path):
    """Byte offset of a member of a member ..."""
    offset, kind = 0, gdb.lookup_type(type_name)
    for name in path:
        field = kind[name]
        offset += field.bitpos // 8
        kind = field.type
    return offset


# ---- Lua ----

def string_at(address):
    is_long = read_int(address + OBJECT_TYPE, "<B") == TYPE_LONG_STRING
    size = read_pointer(address + STRING_LEN) if is_long else read_int(address + STRING_SHORT_LEN, "<B")
    return read(address + STRING_TEXT, min(size, 1000)).decode("utf-8", "replace")


def source_of(proto):
    address = read_pointer(proto + PROTO_SOURCE)
    text = string_at(address) if address else "=?"
    return text[1:] if text[:1] in "@=" else '[string "%s"]' % text.split("\n")[0][:40]


def line_at(proto, pc):
    """The line of an instruction, as luaG_getfuncline() finds it; None for a chunk without lines."""
    n_lines, _, _, n_abs, defined, _ = struct.unpack("<6i", read(proto + PROTO_COUNTS, 24))
    if n_lines == 0:
        return None
    at, line = -1, defined
    if n_abs:
        table = struct.unpack("<%di" % (2 * n_abs), read(read_pointer(proto + PROTO_ABS_LINES), 8 * n_abs))
        for abs_pc, abs_line in zip(table[::2], table[1::2]):
            if abs_pc <= pc:
                at, line = abs_pc, abs_line
    if pc > at:
        deltas = read(read_pointer(proto + PROTO_LINES) + at + 1, pc - at)
        line += sum(delta for delta in struct.unpack("<%db" % len(deltas), deltas) if delta != ABSOLUTE_LINE)
    return line


def c_name(address):
    words = gdb.execute("info symbol %#x" % address, to_string=True)
    return words.split()[0] if " in section " in words else "%#x" % address


def describe_frame(ci):
    function = read_pointer(ci + CI_FUNC)
    value, kind = struct.unpack("<QB", read(function, 9))
    if kind == VALUE_LUA_CLOSURE:
        proto = read_pointer(value + CLOSURE_FUNCTION)
        pc = (read_pointer(ci + CI_PC) - read_pointer(proto + PROTO_CODE)) // INSTRUCTION - 1
        defined = read_int(proto + PROTO_COUNTS + 16, "<i")
        where = "main chunk" if defined == 0 else "function <%s:%d>" % (source_of(proto), defined)
        return "%s:%s: in %s" % (source_of(proto), line_at(proto, max(pc, 0)), where)
    if kind == VALUE_C_FUNCTION:
        return "[C]: in %s" % c_name(value)
    if kind == VALUE_C_CLOSURE:
        return "[C]: in %s" % c_name(read_pointer(value + CLOSURE_FUNCTION))
    return "?"


def frames_of(thread):
    ci, base = read_pointer(thread + STATE_CI), thread + STATE_BASE_CI
    while ci not in (0, base):
        yield describe_frame(ci)
        ci = read_pointer(ci + CI_PREVIOUS)


def coroutines_of(main):
    """Addresses of all threads of a state but the main one."""
    at = read_pointer(read_pointer(main + STATE_GLOBAL) + GLOBAL_ALLGC)
    for _ in range(OBJECTS):
        if at == 0:
            return
        following, kind = struct.unpack("<QB", read(at, 9))
        if kind == TYPE_THREAD:
            yield at
        at = following


# ---- Moonwire ----

def is_vm(address):
    """True where a struct mw_vm is: the extra space before its main thread points back, and so do its lists."""
    try:
        main = read_pointer(address + offset_of("struct mw_vm", "L"))
        if main % POINTER != 0 or not LOWEST <= main < HIGHEST or read_pointer(main - POINTER) != address:
            return False
        heads = [address + offset_of("struct mw_vm", name) for name in ("idle", "live")]
        previous = offset_of("struct mw_list", "prev")
        return all(read_pointer(read_pointer(head) + previous) == head for head in heads)
    except gdb.MemoryError:
        return False


def stack_words():
    """The words of the selected thread's stack that may be pointers to the heap or a stack."""
    start = int(gdb.parse_and_eval("(unsigned long)$sp")) & ~(POINTER - 1)
    for size in (STACK, STACK // 4, STACK // 16, STACK // 64):
        try:
            data = read(start, size)
            break
        except gdb.MemoryError:
            data = b""
    words = struct.unpack("<%dQ" % (len(data) // POINTER), data[:len(data) // POINTER * POINTER])
    return {word for word in words if word % POINTER == 0 and LOWEST <= word < HIGHEST}


def find_vms():
    """Yields (thread, address of its struct mw_vm): of a vm or of a worker that its stack points to, each once."""
    steps = (0, offset_of("struct mw_worker", "vm"),
             offset_of("struct mw_worker", "vm") - offset_of("struct mw_worker", "loop"))
    seen = set()
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda thread: thread.num):
        thread.switch()
        for word in sorted(stack_words()):
            for step in steps:
                address = word + step
                if address not in seen and is_vm(address):
                    seen.add(address)
                    yield thread, address


def fibers_of(vm):
    """[coroutine] = words for the fiber, of all that are live."""
    pointer = gdb.lookup_type("struct mw_fiber").pointer()
    link = offset_of("struct mw_fiber", "link")
    head = vm + offset_of("struct mw_vm", "live")
    words, at = {}, read_pointer(head + offset_of("struct mw_list", "next"))
    while at != head:
        fiber = gdb.Value(at - link).cast(pointer)
        state = "waits" if fiber["waiting"] else "runs"
        words[int(fiber["L"])] = "fiber %d, %s" % (int(fiber["serial"]), state)
        at = read_pointer(at + offset_of("struct mw_list", "next"))
    return words


def show_vm(thread, vm):
    main = read_pointer(vm + offset_of("struct mw_vm", "L"))
    fibers, idle = fibers_of(vm), 0
    print("thread %d (%s), lua_State %#x" % (thread.num, thread.name, main))
    for coroutine in [main, *coroutines_of(main)]:
        frames = list(frames_of(coroutine))
        if not frames:
            idle += 1
            continue
        status = "yielded" if read_int(coroutine + STATE_STATUS, "<B") == STATUS_YIELD else "not yielded"
        print("  coroutine %#x (%s)" % (coroutine, fibers.get(coroutine, status)))
        for frame in frames:
            print("    " + frame)
    print("  %d without a function" % idle)


class LuaTraceback(gdb.Command):
    """lua-traceback: print the Lua traceback of each coroutine of each worker."""

    def __init__(self):
        super().__init__("lua-traceback", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        try:
            found = list(find_vms())
        except gdb.error:  # no debug information of moonwire
            found = []
        if not found:
            raise gdb.GdbError("lua-traceback: no thread has a Lua state: a process or core of moonwire is needed")
        for thread, vm in found:
            show_vm(thread, vm)
        selected.switch()


LuaTraceback()
