"""pickles.py: plain values come back, nothing is executed, damage is told in one message and at once."""

from __future__ import annotations

import io
import pickle
import random
import struct
import time
import tracemalloc

import pytest

from common import pickles
from common.errors import GuideError
from common.pickles import read_pickle

NESTED = {
    "a key that holds itself": b"\x80\x02" + b")" + b"q\x00h\x00\x86" * 60 + b"}q\x01h\x00Ns.",
    "lists in lists": b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
    "a long number": b"\x80\x02\x8b" + struct.pack("<i", 10**5) + b"\x7f" * 10**5 + b".",
    "no stack": b"\x80\x02\x86.",
    "a value below a mark": b"\x80\x02K\x01(a.",
    "no mark": b"\x80\x02t.",
    "two values": b"\x80\x02NN.",
    "a memo entry that is not there": b"\x80\x02h\x05.",
    "an unknown instruction": b"\x80\x02\xf0.",
    "a call of a number": b"\x80\x02K\x01)R.",
    "a state of a number": b"\x80\x02K\x01}b.",
}


def test_a_key_that_holds_itself_many_times_is_refused_and_not_hashed():
    nested = b")" + b"q\x00h\x00\x86" * 60
    for name, words in (("plain_dict", b"]" + nested + b"N\x86a"), ("plain_set", b"]" + nested + b"a")):
        known = {"a.b": getattr(pickles, name)}
        with pytest.raises(GuideError, match="a key is neither text nor number"):
            read_pickle(b"\x80\x02ca\nb\n" + words + b"\x85R.", known)


@pytest.mark.parametrize("kind", NESTED)
def test_a_strange_pickle_is_read_or_told_at_once(kind):
    try:
        read_pickle(NESTED[kind], {})
    except GuideError as error:
        assert str(error).startswith("not a pickle, or damaged (")  # noqa: PT017
        assert len(str(error)) < 200  # noqa: PT017


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_come_back_by_every_protocol(protocol):
    value = (
        {"a": [1, -1, 2**40, 2.5, None], 3: (True, False)},
        "\xe4\u20ac",
        [],
        (),
        {"x": {}},
        (1, 2, 3, 4),
    )
    assert read_pickle(pickle.dumps(value, protocol), {}) == value
    stream = io.BytesIO(pickle.dumps(1, protocol) + pickle.dumps(2, protocol))
    assert [read_pickle(stream, {}), read_pickle(stream, {})] == [1, 2]


FAR = {
    "memo entry": b"\x80\x02]r\xff\xff\xff\x1f.",
    "bytes": b"\x80\x04\x8e\xff\xff\xff\xff\x0f\x00\x00\x00.",
    "array of bytes": b"\x80\x05\x96\xff\xff\xff\xff\x0f\x00\x00\x00.",
    "frame": b"\x80\x04\x95\xff\xff\xff\xff\x0f\x00\x00\x00N.",
    "number": b"\x80\x02\x8b\xff\xff\xff\x7f.",
}


@pytest.mark.parametrize("kind", FAR)
def test_no_memory_is_taken_for_what_a_pickle_only_names(kind):
    tracemalloc.start()
    try:
        read_pickle(FAR[kind], {})
    except GuideError:
        pass
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert most < 2**20


def test_names_are_looked_up_and_others_refused():
    content = pickle.dumps(time.sleep, 2)
    assert read_pickle(content, {"time.sleep": 5}) == 5
    with pytest.raises(GuideError, match=r"refused, nothing in it was executed: it asks for time.sleep$"):
        read_pickle(content, {})
    with pytest.raises(GuideError, match="an outside object"):
        read_pickle(b"\x80\x04\x8c\x04mineQ.", {})
    assert read_pickle(b"\x80\x04\x8c\x04mineQ.", {}, str.upper) == "MINE"


@pytest.mark.parametrize("protocol", range(6))
def test_any_changed_bytes_are_read_or_told(protocol):
    whole = pickle.dumps(
        ([b"abc", b"def" * 30, bytearray(b"x")], [True, False], {"a": {1, 2}}, 1.5), protocol
    )
    known = {
        "_codecs.encode": str.encode,
        "__builtin__.bytearray": bytearray,
        "builtins.bytearray": bytearray,
    }
    rng = random.Random(protocol)  # noqa: S311  repeatable
    for _ in range(500):
        content = bytearray(whole)
        content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            read_pickle(bytes(content), known)
        except GuideError as error:
            assert str(error).startswith(("not a pickle, or damaged (", "refused, "))  # noqa: PT017


class Shell:
    """What a pickle makes and gives a state."""

    def set_state(self, state):
        vars(self).update(state)


COPIES = {  # of something large, asked for again and again by a few bytes each
    "a tuple of a list": (tuple, b"]", b"N" * 10**4 + b"e", b"h\x00h\x01\x85R"),
    "a dictionary": (pickles.plain_dict, b"]", b"X\x01\x00\x00\x00aN\x86" * 10**4 + b"e", b"h\x00h\x01\x85R"),
    "bytes of a text": (str.encode, b"", b"X\x10\x27\x00\x00" + b"a" * 10**4, b"h\x00h\x01\x85R"),
    "a state": (
        Shell,
        b"}",
        b"".join(b"X\x04\x00\x00\x00%04dN" % i for i in range(10**4)) + b"u",
        b"h\x00)\x81h\x01b",
    ),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_pickle_that_asks_for_many_copies_of_its_values_is_refused(kind):
    made, empty, large, copy = COPIES[kind]
    mark = b"(" if empty else b""
    content = b"\x80\x02(ca\nb\nq\x00" + empty + mark + large + b"q\x01" + copy * 10**4 + b"t."
    tracemalloc.start()
    with pytest.raises(GuideError, match="more copies of its values than it has bytes"):
        read_pickle(content, {"a.b": made})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * len(content)
