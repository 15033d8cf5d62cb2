"""Which files of an interrupted step are still the right ones."""

from __future__ import annotations

import json
import os

import pytest

from common import resume
from common.errors import GuideError
from common.files import file_hash
from common.resume import missing


@pytest.fixture
def step(tmp_path):
    """Two sources, and a function that runs the step: asks what is unfinished, then makes it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in "ab":
        (tmp_path / "in" / name).write_text(name)

    def run(settings=None, names="ab", make="ab"):
        sources = {name: tmp_path / "in" / name for name in names}
        targets = {name: [tmp_path / "out" / name] for name in names}
        todo = missing(tmp_path / "run.json", settings or {"model": 1}, sources, targets.__getitem__)
        for name in todo:
            if name in make:
                targets[name][0].write_text(sources[name].read_text())
        return todo

    return run


def test_what_an_interrupted_run_made_is_kept(step):
    assert step(make="a") == ["a", "b"]
    assert step() == ["b"]
    assert step() == []


def test_a_changed_source_is_made_again(step, tmp_path):
    step()
    (tmp_path / "in" / "a").write_text("new")
    assert step(make="") == ["a"]
    assert not (tmp_path / "out" / "a").exists()


@pytest.mark.parametrize("change", ["written again", "of another path", "touched"])
def test_a_source_of_the_same_content_is_the_same(step, tmp_path, change):
    step()
    path = tmp_path / "in" / "a"
    if change == "written again":
        path.unlink()
        path.write_text("a")
    elif change == "of another path":
        (tmp_path / "in").rename(tmp_path / "other")
        (tmp_path / "in").mkdir()
        for name in "ab":
            (tmp_path / "in" / name).symlink_to(tmp_path / "other" / name)
    else:
        os.utime(path, (1, 1))
    assert step() == []


def test_another_content_of_the_same_size_and_times_is_another(step, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SETTLED", 0)  # the worst case: a clock that stands still
    path = tmp_path / "in" / "a"
    os.utime(path, (1, 1))
    step()
    path.write_text("b")
    os.utime(path, (1, 1))
    assert step(make="") == ["a"]


def test_a_file_that_has_not_changed_is_not_read_again_unless_it_was_just_written(step, monkeypatch):
    read = []
    monkeypatch.setattr(resume, "file_hash", lambda path: read.append(path.name) or file_hash(path))
    for _ in range(2):
        step()
        assert sorted(read) == ["a", "b"]  # just written: the next change could have the same time
        read.clear()
    monkeypatch.setattr(resume, "SETTLED", -1)
    step()
    read.clear()
    assert step() == []
    assert read == []


def test_a_source_that_cannot_be_read_is_told_by_who_needs_it(step, tmp_path):
    step()
    (tmp_path / "in" / "a").unlink()
    (tmp_path / "in" / "b").unlink()
    os.mkfifo(tmp_path / "in" / "b")  # would be waited for
    for _ in range(2):
        assert step(make="") == ["a", "b"]


def test_other_settings_make_everything_again(step):
    step()
    assert step({"model": 2}) == ["a", "b"]


def test_sources_that_are_added_leave_the_others_finished(step):
    assert step(names="a") == ["a"]
    assert step() == ["b"]
    assert step(names="a") == []


@pytest.mark.parametrize("record", ["", "[]", '{"model": 1}', '{"model": 1, "sources": 3}', "\udcff"])
def test_a_record_that_cannot_be_read_makes_everything_again(step, tmp_path, record):
    step()
    (tmp_path / "run.json").write_text(record, errors="surrogateescape")
    assert step() == ["a", "b"]
    assert json.loads((tmp_path / "run.json").read_text())["sources"].keys() == {"a", "b"}


def test_targets_can_be_checked_further(tmp_path):
    (tmp_path / "in").touch()
    (tmp_path / "out").write_text("cut")
    sources, arguments = {"a": tmp_path / "in"}, (lambda _: [tmp_path / "out"], lambda path: False)
    assert missing(tmp_path / "run.json", {}, sources, *arguments) == ["a"]
    assert missing(tmp_path / "run.json", {}, sources, *arguments) == ["a"]


def test_what_a_name_stands_for_beside_its_file_matters(tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).touch()

    def step(words):
        sources = {"a": tmp_path / "in"}
        todo = missing(tmp_path / "run.json", {}, sources, lambda _: [tmp_path / "out"], particulars=words)
        (tmp_path / "out").touch()
        return todo

    assert step({"a": "width 10"}) == ["a"]
    assert step({"a": "width 10"}) == []
    assert step({"a": "width 11"}) == ["a"]
    assert step({"a": ""}) == ["a"]
    assert step(None) == []


def test_a_record_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GuideError, match="pipe: exists and is not a regular file"):
        missing(tmp_path / "pipe", {}, {}, lambda name: [])
