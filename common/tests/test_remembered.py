"""backends/remembered.py: what a trial found, kept for the next time."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path

import pytest

from common.backends import remembered
from common.backends.remembered import Choice

KEY = {"network": "ab", "batch size": 1, "versions": {"onnxruntime": "1"}}
FIRST, SECOND = Choice("onnxruntime", 2), Choice("openvino", 1)
TRIED = {str(FIRST): "10 images/s", str(SECOND): "20 images/s"}


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    """The file in a cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ascend-guides" / "trials.json"


def keep(key=KEY, taken=SECOND):
    return remembered.keep(key, taken, "2.00 times as fast", TRIED)


def test_what_was_taken_is_found_again(file):
    assert remembered.find(KEY, (FIRST, SECOND)) is None
    assert keep() == f"remembered in {file}"
    found = remembered.find(KEY, (FIRST, SECOND))
    assert found.taken == SECOND
    assert str(found) == (
        f"openvino, all cores for one batch, taken from {file}: tried on {dt.datetime.now(dt.timezone.utc).date()}, 2.00 times as "
        "fast; remove that file to try again"
    )
    (entry,) = json.loads(file.read_text(encoding="utf-8")).values()
    assert entry["tried"] == TRIED


@pytest.mark.parametrize(
    "other",
    [
        {"network": "cd"},
        {"batch size": 2},
        {"versions": {"onnxruntime": "2"}},
        {"versions": {}},
        {"cores": 4},
    ],
)
def test_of_another_network_machine_or_version_nothing_is_found(other):
    keep()
    assert remembered.find({**KEY, **other}, (FIRST, SECOND)) is None


def test_what_is_no_candidate_any_more_is_not_taken():
    keep()
    assert remembered.find(KEY, (FIRST,)) is None


def test_several_trials_are_kept_and_of_one_the_last(file):
    keep()
    keep({**KEY, "network": "cd"}, FIRST)
    keep(taken=FIRST)
    assert remembered.find(KEY, (FIRST, SECOND)).taken == FIRST
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 2


def test_the_oldest_are_forgotten(file, monkeypatch):
    monkeypatch.setattr(remembered, "_KEPT", 3)
    for number in range(5):
        keep({"network": str(number)})
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 3
    assert remembered.find({"network": "1"}, (SECOND,)) is None
    assert remembered.find({"network": "2"}, (SECOND,))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b" " * (2**20 + 1) + b"{}"),
        *(b'{"a": NaN}', b'{"a": 1e999}'),  # which cannot be written as JSON
    ],
)
def test_a_damaged_file_is_written_anew(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    assert remembered.find(KEY, (FIRST, SECOND)) is None
    keep()
    assert remembered.find(KEY, (FIRST, SECOND)).taken == SECOND


@pytest.mark.parametrize(
    "change",
    [
        {"taken": None},
        {"taken": ["openvino"]},
        {"taken": ["openvino", "1"]},
        {"taken": ["openvino", 99]},
        {"taken": [["openvino"], 1]},
        {"gain": 2},
        {"date": None},
        {"key": {}},
    ],
)
def test_a_damaged_entry_is_as_none(file, change):
    keep()
    ((name, entry),) = json.loads(file.read_text(encoding="utf-8")).items()
    file.write_text(json.dumps({name: {**entry, **change}}), encoding="utf-8")
    assert remembered.find(KEY, (FIRST, SECOND)) is None


def test_a_cache_that_cannot_be_written_is_a_note(file):
    file.parent.parent.joinpath("ascend-guides").write_text("a file", encoding="ascii")
    assert keep().startswith("not remembered: ")
    assert remembered.find(KEY, (FIRST, SECOND)) is None


@pytest.mark.parametrize("told", ["", "relative/cache"])
def test_without_a_cache_of_its_own_it_is_below_the_home(tmp_path, monkeypatch, told):
    monkeypatch.setenv("XDG_CACHE_HOME", told)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert remembered.cache() == tmp_path / ".cache" / "ascend-guides" / "trials.json"


def test_without_a_home_nothing_is_remembered(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    assert keep() == "not remembered: there is no home directory; set XDG_CACHE_HOME"
    assert remembered.find(KEY, (FIRST, SECOND)) is None


def test_a_home_that_is_no_whole_path_is_none(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "relative")
    assert remembered.cache() is None


def test_a_pipe_in_its_place_is_not_waited_for(file):
    file.parent.mkdir()
    os.mkfifo(file)
    assert remembered.find(KEY, (FIRST, SECOND)) is None
    assert keep().startswith("not remembered: ")
