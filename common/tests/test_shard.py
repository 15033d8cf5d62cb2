"""shard.py: parts of the work that every step finds by the names alone."""

from __future__ import annotations

import argparse
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import cli
from common.engine.shard import Shard, add_shard, parse_shard
from tests.conftest import wrong_usage


@pytest.mark.parametrize("text", ["1/1", "1/2", "2/2", "7/100"])
def test_a_part_is_read_and_written_alike(text):
    shard = parse_shard(text)
    assert str(shard) == text
    assert shard == Shard(*map(int, text.split("/")))


NONE = ["1", "0/2", "3/2", "0/0", "1/0", "-1/2", "1/2/3", "1.0/2", "a/b", "1/", "\u0661/\u0662"]


@pytest.mark.parametrize("text", ["", " 1/2", "1/2\n", *NONE])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        parse_shard(text)
    assert str(error.value) == f"expected K/N, part K of N with K from 1 to N, got {text!r}"


@given(names=st.lists(st.text(max_size=8), max_size=30, unique=True), count=st.integers(1, 12))
def test_every_name_is_in_exactly_one_part(names, count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    for name in names:
        assert sum(name in shard for shard in shards) == 1


@pytest.mark.parametrize("count", [2, 3, 5, 10, 16])
def test_the_parts_of_a_data_set_are_about_equal(count):
    names = [f"{number:06}" for number in range(1, 9964, 2)]  # as VOC2007 has them
    sizes = [sum(name in Shard(k, count) for name in names) for k in range(1, count + 1)]
    assert sum(sizes) == len(names)
    assert max(sizes) - min(sizes) < 0.15 * len(names) / count + 20


def test_a_part_is_the_same_everywhere():
    """A hash that differs from process to process would not do: steps are run one by one."""
    names = ("000001", "000002", "000003", "000004", "é", "")
    assert [name for name in names if name in Shard(1, 2)] == ["000001", "000002", "000003", "é", ""]


def test_the_argument_is_all_by_default_and_refused_by_name(capsys):
    arguments = cli.parser("A step.")
    add_shard(arguments)
    assert arguments.parse_args([]).shard is None
    assert arguments.parse_args(["--shard", "2/3"]).shard == Shard(2, 3)
    with wrong_usage(capsys, "argument --shard: expected K/N, part K of N with K from 1 to N, got '4/3'"):
        arguments.parse_args(["--shard", "4/3"])


def test_a_name_that_is_no_utf8_is_in_exactly_one_part():
    name = os.fsdecode(b"img_\xff")
    assert sum(name in Shard(number, 5) for number in range(1, 6)) == 1
