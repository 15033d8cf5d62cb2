"""A search for a list that is run again, or was killed: what was done is not done again; damaged steps are."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ascend_tools.preflight.__main__ import main
from ascend_tools.preflight.steps import Steps, key_of
from ascend_tools.testing.planted import write_inputs, write_model


@pytest.fixture
def words(tmp_path):
    """The words of a search that finds something, in tmp_path."""
    network = write_model(tmp_path / "net.onnx", ["Relu", "Mul"], ["overflow", "cancel"])
    given = [
        "--find-list",
        "--model",
        network,
        "--input",
        write_inputs(tmp_path / "in"),
        "--out",
        tmp_path / "out",
    ]
    return [*map(str, given)]


@pytest.fixture
def report(tmp_path):
    return lambda: json.loads((tmp_path / "out" / "find_list.json").read_text())


def without_costs(report):
    """Return a report without what differs from run to run."""
    steps = [{**step, "seconds": 0, "known_already": None} for step in report["steps"]]
    return {**report, "steps": steps, "seconds": 0, "versions": {}}


def done(report):
    """Return how many steps of a search were done in it."""
    return sum(not step["known_already"] for step in report["steps"])


def test_run_again_it_computes_nothing(words, report, tmp_path):
    assert main(words) == 0
    first, kept = report(), (tmp_path / "out" / "steps.jsonl").read_bytes()
    assert 0 < done(first) == len(kept.splitlines())
    assert main(words) == 0
    assert done(report()) == 0
    assert without_costs(report()) == without_costs(first)
    assert [step["seconds"] for step in report()["steps"]] == [step["seconds"] for step in first["steps"]]
    assert (tmp_path / "out" / "steps.jsonl").read_bytes() == kept


def test_another_bound_uses_the_steps_and_other_inputs_do_not(words, report, tmp_path):
    assert main(words) == 0
    count, computed = len(report()["steps"]), done(report())
    assert main([*words, "--bound", "0.04"]) == 0
    assert done(report()) < count / 2
    write_inputs(tmp_path / "in", 3)
    assert main(words) == 0
    assert done(report()) == computed


def test_killed_it_goes_on_with_the_steps_that_are_there(words, report, tmp_path):
    main([*words, "--out", str(tmp_path / "whole")])
    steps = tmp_path / "out" / "steps.jsonl"
    command = [sys.executable, "-m", "ascend_tools.preflight", *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 120
        while not (steps.exists() and steps.read_bytes().count(b"\n") >= 2) and time.monotonic() < end:
            time.sleep(0.002)
        os.kill(running.pid, signal.SIGKILL)
    kept = steps.read_bytes().count(b"\n")
    assert kept >= 2
    assert main(words) == 0
    whole = json.loads((tmp_path / "whole" / "find_list.json").read_text())
    assert done(report()) <= done(whole) - kept + 1
    assert {**without_costs(report()), "atc": []} == {**without_costs(whole), "atc": []}


@pytest.mark.parametrize(
    "damage", ["half a line", "no text", "another figure", "nothing", "a line of something else"]
)
def test_a_damaged_line_is_told_and_its_step_done_again(words, report, tmp_path, capsys, damage):
    assert main(words) == 0
    first, steps = report(), tmp_path / "out" / "steps.jsonl"
    lines = steps.read_bytes().splitlines(keepends=True)
    changed = {
        "half a line": [*lines[:-1], lines[-1][:40]],
        "no text": [*lines[:-1], os.urandom(20).replace(b"\n", b"") + b"\xff\n"],
        "another figure": [*lines[:-1], lines[-1].replace(b'"figures":{"', b'"figures":{"x":0.5,"')],
        "nothing": [],
        "a line of something else": [*lines[:-1], b'{"step": {"key": 3}}\n'],
    }[damage]
    steps.write_bytes(b"".join(changed))
    capsys.readouterr()
    assert main(words) == 0
    told = f"{steps}: 1 line damaged; what they told is computed again\n"
    assert (told in capsys.readouterr().err) == (damage != "nothing")
    assert done(report()) == (len(lines) if damage == "nothing" else 1)
    assert without_costs(report()) == without_costs(first)
    assert len(steps.read_bytes().splitlines()) == len(lines)


def test_a_full_disk_is_told_with_the_file_and_what_to_do(words, report, tmp_path, monkeypatch, capsys):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert main(words) == 1
    steps = tmp_path / "out" / "steps.jsonl"
    told = f"error: {steps}: No space left on device; make room, and run the same command again, which goes on from there.\n"
    assert capsys.readouterr().err.endswith(told)
    assert main(words) == 0
    assert report()["list"]


FIGURES = st.dictionaries(st.text(max_size=5), st.floats(), max_size=3)


@settings(max_examples=20)
@given(found=st.dictionaries(st.text(min_size=1, max_size=5), FIGURES, max_size=4))
def test_steps_are_read_as_they_were_written(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("steps") / "a" / "steps.jsonl"
    steps = Steps(path)
    made = {
        key: steps.get(key, "outputs", lambda figures=figures: figures)[0] for key, figures in found.items()
    }
    again = Steps(path)
    for key, figures in found.items():
        step, is_new = again.get(key, "outputs", dict)
        assert (step, is_new) == (made[key], False)
        finite = {name: each if math.isfinite(each) else None for name, each in figures.items()}
        assert step.figures == finite
        assert step.figure == max((math.inf if each is None else each for each in finite.values()), default=0)


def test_a_key_is_of_all_that_decides():
    assert key_of(a=1, b="x") == key_of(b="x", a=1)
    assert len({key_of(a=1), key_of(a=2), key_of(b=1), key_of(a="1")}) == 4
