"""gallery/lines.py: any text in a line, whole or not taken."""

from __future__ import annotations

import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.gallery import lines

NAMES = st.binary(max_size=20).map(os.fsdecode)
KINDS = (str, int)


def file_of(root, content):
    path = root / "lines"
    path.write_bytes(content)
    return path


@given(st.lists(st.tuples(NAMES, st.integers()), max_size=8), st.integers(0, 400))
def test_whole_lines_are_read_again_and_a_cut_one_is_not(tmp_path_factory, written, cut):
    texts = [lines.line(values) for values in written]
    content = b"".join(texts)[:cut]
    path = file_of(tmp_path_factory.mktemp("lines"), content)
    whole = content.count(b"\n")
    assert [tuple(values) for values in lines.read(path, KINDS)] == written[:whole]
    assert [tuple(values) for values in lines.read(path, KINDS, whole)] == written[:whole]
    wanted = list(range(0, whole, 2))
    assert lines.pick(path, KINDS, wanted) == {number: list(written[number]) for number in wanted}
    with path.open("rb") as file:
        ends = [lines.end_of(file.fileno(), count) for count in range(whole + 2)]
    assert ends == [*(len(b"".join(texts[:count])) for count in range(whole + 1)), None]


@given(st.binary(max_size=60))
def test_whatever_else_stands_there_is_one_error(tmp_path_factory, content):
    path = file_of(tmp_path_factory.mktemp("lines"), content)
    with contextlib.suppress(GuideError):
        assert all([type(value) for value in values] == list(KINDS) for values in lines.read(path, KINDS))


@pytest.mark.parametrize(
    "content", [b'["a",1', b'["a",true]\n', b'["a",1,2]\n', b'{"a":1}\n', b"[" * 70000, b'["\n']
)
def test_a_damaged_line_is_named(content, tmp_path):
    path = file_of(tmp_path, b'["a",1]\n' + content)
    with pytest.raises(GuideError, match=f"{path}:2: damaged"):
        list(lines.read(path, KINDS, 2))


def test_blocks_end_anywhere(tmp_path, monkeypatch):
    path = file_of(tmp_path, b"ab\ncde\n\nf\n")
    monkeypatch.setattr(lines, "_BLOCK", 2)
    with path.open("rb") as file:
        assert [lines.end_of(file.fileno(), count) for count in range(6)] == [0, 3, 7, 8, 10, None]
