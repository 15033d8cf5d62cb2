"""Probes that fail in every way: each becomes a line of its own id, and ends no other."""

from __future__ import annotations

import sys
import threading

import pytest

from ascend_tools.doctor import run
from ascend_tools.doctor.check import Check, Level, Registered, Status
from ascend_tools.doctor.children import ask_own, ask_python
from common import process
from common.errors import GuideError

OK, MISSING, WRONG = Status.OK, Status.MISSING, Status.WRONG


def registered(probe, *ids, level=Level.QUICK, seconds=20.0, optional=()):
    return Registered(probe, {each: f"title of {each}" for each in ids}, level, seconds, frozenset(optional))


def ok(name, **details):
    return Check(name, f"title of {name}", OK, "there", details=details)


def looked_at(*several, level=Level.DEFAULT):
    return [timed.check for timed in run.run(several, level)]


def raising(error):
    def probe():
        raise error

    return probe


@pytest.mark.parametrize(
    ("probe", "says"),
    [
        (raising(ZeroDivisionError("by zero")), "ZeroDivisionError: by zero"),
        (raising(GuideError("the file is odd; write it again.")), "the file is odd; write it again."),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(MemoryError()), "MemoryError:"),
        (raising(RecursionError("too deep")), "RecursionError: too deep"),
        (lambda: None, "TypeError: 'NoneType' object is not iterable"),
        (
            lambda: [ok("cpu.model")],
            "expected checks of ['npu.smi', 'npu.chips'], each once, found ['cpu.model']",
        ),
        (lambda: [ok("npu.smi"), ok("npu.smi")], "each once, found ['npu.smi', 'npu.smi']"),
    ],
)
def test_a_probe_that_fails_is_a_line_for_each_of_its_ids_and_ends_no_other(probe, says):
    first, second, other = looked_at(
        registered(probe, "npu.smi", "npu.chips", optional=["npu.chips"]),
        registered(lambda: [ok("cpu.model")], "cpu.model"),
    )
    assert [first.id, second.id, other.id] == ["npu.smi", "npu.chips", "cpu.model"]
    assert says in first.found
    assert (first.status, second.status, other.status) == (WRONG, WRONG, OK)
    assert (first.required, second.required) == (True, False)
    assert first.remedy


def test_probes_that_hang_are_given_up_and_the_others_go_on():
    end = threading.Event()

    def hang():
        end.wait(60)
        return []

    hanging = [
        registered(hang, name, seconds=0.2) for name in ("npu.smi", "npu.chips", "npu.card", "atc.library")
    ]
    hanging += [
        registered(hang, "cann.version", seconds=0.2),
        registered(lambda: [ok("cpu.model")], "cpu.model"),
    ]
    try:
        checks = looked_at(*hanging)
    finally:
        end.set()
    assert [check.status for check in checks] == [WRONG] * 5 + [OK]
    assert checks[0].found == "not ended within 0.2 seconds"


def test_lines_come_in_groups_and_in_the_order_of_their_probes_whichever_ends_first():
    others = threading.Event()

    def late():
        others.wait(10)
        return [ok("npu.smi"), ok("backend.om")]

    def last():
        others.set()
        return [ok("python.version")]

    names = [
        check.id
        for check in looked_at(
            registered(late, "npu.smi", "backend.om"),
            registered(lambda: [ok("npu.chips")], "npu.chips"),
            registered(list, "driver.version"),
            registered(last, "python.version"),
        )
    ]
    assert names == ["npu.smi", "npu.chips", "backend.om", "python.version"]


def test_a_level_has_what_the_lesser_ones_have():
    several = [
        registered(lambda name=name: [ok(name)], name, level=level)
        for name, level in (
            ("cpu.model", Level.QUICK),
            ("cpu.cores", Level.DEFAULT),
            ("cpu.bf16", Level.FULL),
        )
    ]
    assert [len(looked_at(*several, level=level)) for level in Level] == [1, 2, 3]


def test_a_closed_generator_ends_the_programs_of_its_probes():
    def probe():
        process.run(["sleep", "60"], "", capture=True, stop=run.STOP)
        return []

    looking = run.run(
        [registered(lambda: [ok("npu.smi")], "npu.smi"), registered(probe, "npu.chips")], Level.QUICK
    )
    next(looking)
    looking.close()
    assert not [thread for thread in threading.enumerate() if "_run" in thread.name and thread.is_alive()]


@pytest.mark.parametrize(
    ("code", "value", "problem"),
    [
        ("print('noise'); print('{\"a\": 1}'); print('more')", {"a": 1}, ""),
        ("print([1, 2])", [1, 2], ""),
        ("import os; print('{}', flush=True); os.abort()", {}, "it crashed with SIGABRT (Aborted)"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            None,
            "it crashed with SIGSEGV (Segmentation fault)",
        ),
        ("raise ImportError('libx.so: no such file')", None, "ImportError: libx.so: no such file"),
        ("import sys; sys.exit(4)", None, "it ended with exit status 4"),
        ("print('no JSON')", None, "it answered nothing"),
        ("print('{broken')", None, "it answered nothing"),
        ("import time; time.sleep(60)", None, "has not answered within 1 seconds"),
    ],
)
def test_a_child_answers_or_says_why_not(code, value, problem):
    answer = ask_python(sys.executable, code, 1 if "sleep" in code else 60)
    assert (answer.value, answer.problem) == (value, problem)


def test_what_is_no_python_is_said(tmp_path):
    (tmp_path / "python").write_text("not a program")
    (tmp_path / "python").chmod(0o755)
    assert "cannot be started" in ask_python(str(tmp_path / "python"), "", 5).problem
    assert "is not on PATH" in ask_python(str(tmp_path / "none"), "", 5).problem


def test_a_child_of_ones_own_finds_this_package_and_what_it_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise SystemExit('what lies here is imported')")
    code = "import ascend_tools.doctor, common.process\nprint(json.dumps([word, number]))"
    assert ask_own(code, 60, word="it's \\ \u00e4", number=None).value == ["it's \\ \u00e4", None]
