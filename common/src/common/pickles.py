"""Pickles, read by a small machine that executes nothing in them and whose memory follows their size.

Python's own unpickler makes room for as many memo entries, or bytes, as a file merely names, and calls whatever a file
may import. Here an instruction either builds a plain value of what is in the file, or asks for a name that the caller
knows. `pickletools` decodes the instructions; those that the protocols, 0 to 5, write for plain values are known.
"""

from __future__ import annotations

import codecs
import io
import mmap
import pickletools
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import IO, Any

from common.errors import GuideError

_CODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_KEYS = (str, bytes, int)  # a tuple could hold itself many times over, and be hashed for ever


def read_pickle(
    file: bytes | IO[bytes] | mmap.mmap,
    known: Mapping[str, Any],
    outside: Callable[[Any], Any] | None = None,
    *,
    texts: str | None = None,
) -> Any:
    """Return what a pickle holds: plain values, and what the names in it stand for.

    Args:
        file: the pickle, or a file at its first byte; it is left behind the last one.
        known: by "module.name", what a name stands for. A function is called where the pickle calls it; a result that
            has `set_state` is given its state by it, the state of a dictionary is left out.
        outside: returns what a reference to something outside of the pickle stands for; None refuses them.
        texts: the encoding of Python 2's texts, which are bytes without one.

    Raises:
        GuideError: for a name that is not known, for damage, and for instructions that plain values do not need.
    """
    machine = _Machine(known, outside, texts)
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        for name, argument in _instructions(stream):
            machine.step(name, argument)
            if (
                machine.copied > stream.tell()
            ):  # a few bytes can ask again and again for a copy of all before them
                raise ValueError("it asks for more copies of its values than it has bytes")
        return machine.result()
    except GuideError:
        raise
    except Exception as error:  # noqa: BLE001  damage can show anywhere
        raise GuideError(f"not a pickle, or damaged ({str(error)[:100] or type(error).__name__})") from None


def _instructions(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the argument of each instruction up to the last one."""
    while code := file.read(1):
        kind = _CODES[code.decode("latin-1")]
        if kind.name == "STOP":
            return
        if kind.name == "STRING":  # as Python 2 shows it in its sources, which pickletools takes for ASCII
            shown = pickletools.read_stringnl(file, decode=False)
            yield kind.name, codecs.escape_decode(shown)[0].decode("latin-1")
        else:
            yield kind.name, kind.arg.reader(file) if kind.arg else None
    raise ValueError("it has no end")


def plain_dict(rows: Sequence[Sequence[Any]] = ()) -> dict[Any, Any]:
    """Return a dictionary of keys and values, one row each; what a pickle's dictionaries are made by."""
    return {_key(key): value for key, value in rows}


def plain_set(values: Sequence[Any] = ()) -> set[Any]:
    """Return a set, likewise."""
    return set(map(_key, values))


def _pairs(values: Sequence[Any]) -> dict[Any, Any]:
    """Return keys and values, one after the other, as a dictionary."""
    return dict(zip(map(_key, values[::2]), values[1::2], strict=True))


def _key(value: Any) -> Any:
    """Return a key of a dictionary or set, which must be plain."""
    if not isinstance(value, _KEYS):
        raise TypeError("a key is neither text nor number")
    return value


class _Machine:
    """The stack, the positions of the marks in it, and the memo, as pickle's documentation describes them."""

    def __init__(
        self, known: Mapping[str, Any], outside: Callable[[Any], Any] | None, texts: str | None
    ) -> None:
        self.known, self.outside, self.texts = known, outside, texts
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0  # values in containers, and letters, that calls and states were given to copy

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(self.pop(_TUPLES[name]))
        elif name in _STEPS:
            _STEPS[name](self, argument)
        else:
            raise ValueError(f"it holds the instruction {name}")

    def result(self) -> Any:
        (value,) = self.stack
        return value

    def pop(self, count: int) -> tuple[Any, ...]:
        """Take the last values, which must lie above the last mark."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise ValueError("values are missing")
        values = tuple(self.stack[start:])
        del self.stack[start:]
        return values

    def pop_mark(self) -> list[Any]:
        """Take the values above the last mark, and the mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type[Any]) -> Any:
        """Return the last value, a container of that kind."""
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"expected a {kind.__name__}")
        return self.stack[-1]

    def skip(self, _: Any) -> None:
        """Pass over what Python's own reader needs."""

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_text(self, text: str) -> None:
        content = text.encode("latin-1")  # as Python 2's are decoded above
        self.stack.append(content.decode(self.texts) if self.texts else content)

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def push_list(self, _: Any) -> None:
        self.stack.append(self.pop_mark())

    def push_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def push_dict(self, _: Any) -> None:
        self.stack.append(_pairs(self.pop_mark()))

    def append(self, _: Any) -> None:
        (value,) = self.pop(1)
        self.top(list).append(value)

    def extend(self, _: Any) -> None:
        values = self.pop_mark()
        self.top(list).extend(values)

    def add(self, _: Any) -> None:
        values = self.pop_mark()
        self.top(set).update(map(_key, values))

    def set_item(self, _: Any) -> None:
        pair = self.pop(2)
        self.top(dict).update(_pairs(pair))

    def set_items(self, _: Any) -> None:
        values = self.pop_mark()
        self.top(dict).update(_pairs(values))

    def find(self, words: str | None) -> None:
        """Push what a name stands for: one in the instruction, "module name", or on the stack."""
        wanted = ".".join(words.split(" ", 1) if words else self.pop(2))
        if wanted not in self.known:
            shown = ascii(wanted[:100])[1:-1]
            raise GuideError(f"refused, nothing in it was executed: it asks for {shown}")
        self.stack.append(self.known[wanted])

    def call(self, _: Any) -> None:
        function, arguments = self.pop(2)
        self.copied += sum(len(each) for each in arguments if isinstance(each, Sized))
        self.stack.append(function(*arguments))

    def build(self, _: Any) -> None:
        (state,) = self.pop(1)
        self.copied += len(state) if isinstance(state, Sized) else 0
        if not isinstance(self.stack[-1], dict):
            self.stack[-1].set_state(state)

    def refer(self, text: str | None) -> None:
        """Push what a reference stands for: one on the stack, for those in the instruction are of old protocols."""
        if self.outside is None or text is not None:
            raise GuideError("refused, nothing in it was executed: it asks for an outside object")
        self.stack.append(self.outside(*self.pop(1)))


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    name: step
    for names, step in (
        ("INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT", _Machine.push),
        ("UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8", _Machine.push),
        ("BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8", _Machine.push),
        ("STRING BINSTRING SHORT_BINSTRING", _Machine.push_text),
        ("PUT BINPUT LONG_BINPUT MEMOIZE", _Machine.put),
        ("GET BINGET LONG_BINGET", _Machine.get),
        ("MARK", _Machine.mark),
        ("LIST", _Machine.push_list),
        ("TUPLE", _Machine.push_tuple),
        ("DICT", _Machine.push_dict),
        ("APPEND", _Machine.append),
        ("APPENDS", _Machine.extend),
        ("ADDITEMS", _Machine.add),
        ("SETITEM", _Machine.set_item),
        ("SETITEMS", _Machine.set_items),
        ("GLOBAL STACK_GLOBAL INST", _Machine.find),
        ("REDUCE NEWOBJ", _Machine.call),
        ("BUILD", _Machine.build),
        ("PERSID BINPERSID EXT1 EXT2 EXT4", _Machine.refer),
        ("PROTO FRAME", _Machine.skip),
    )
    for name in names.split()
}
