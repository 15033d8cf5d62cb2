"""Which files of an interrupted step are still the right ones."""

from __future__ import annotations

import json

import pytest

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
