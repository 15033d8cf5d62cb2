"""What evaluate.py and postprocess.py of every model show, and what their metrics.json says they were made from."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import subprocess
import sys

import pytest

from common.report import page

# Every bar is shown at once.
AT_ONCE = """
import sys
from common import cli
from common.report import page
cli.DELAY, page.make = 0, lambda *_: "no page"
sys.path.insert(0, "")
import evaluate
raise SystemExit(evaluate.main(sys.argv[1:]))
"""


@pytest.fixture
def words(work, monkeypatch):
    """The arguments of evaluate.py with the twin on the sample data, as somebody's own data set."""
    monkeypatch.setattr(page, "make", lambda *_: "no page")  # takes a program of its own
    return ["--model", work / "twin.onnx", "--data", work / "sample", "--limit", 10]


def report_of(out):
    return json.loads((out / "metrics.json").read_text())


def test_each_script_has_the_flags(run):
    for script in ("evaluate.py", "postprocess.py"):
        shown = run(script, "--help").stdout
        assert [flag for flag in ("--quiet", "--json", "--version") if f" {flag} " not in shown] == []


def test_the_verdict_is_the_last_line_and_versions_stand_in_the_file_alone(words, run, tmp_path):
    done = run("evaluate.py", *words, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    assert done.stdout.splitlines()[-1] == f"verdict: not comparable ({report['why']})"
    assert report["versions"]["onnxruntime"] not in done.stdout
    assert "\r" not in done.stderr


def test_quiet_is_the_verdict_alone_and_json_the_file(words, run, tmp_path):
    done = run("evaluate.py", *words, "--out", tmp_path, "--quiet")
    why = report_of(tmp_path)["why"]
    assert (done.returncode, done.stdout, done.stderr) == (0, f"verdict: not comparable ({why})\n", "")
    done = run("evaluate.py", *words, "--out", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (0, (tmp_path / "metrics.json").read_text())
    assert "measured with onnxruntime, float32\n" in done.stderr


def test_an_error_is_seen_and_there_are_no_figures(run, tmp_path):
    for flag in ("--quiet", "--json"):
        done = run("evaluate.py", "--data", tmp_path / "nosuch", "--out", tmp_path / "out", flag)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ")


def test_figures_say_what_they_were_made_from(work, words, run, tmp_path):
    assert run("evaluate.py", *words, "--out", tmp_path).returncode == 0
    report = report_of(tmp_path)
    made = report["provenance"]
    digest = hashlib.sha256((work / "twin.onnx").read_bytes()).hexdigest()
    assert made["model"] == {"file": str(work / "twin.onnx"), "sha256": digest}
    assert (made["checkpoint"], made["chips"]) == (None, [])
    assert made["dataset"]["places"][0] == str(work / "sample")
    assert made["dataset"]["files"] > 0
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", made["git"] or 40 * "0")  # none in a copy without git
    assert report["images/s"] == pytest.approx(report["images"] / report["seconds"]["run"], rel=0.1)
    assert report["peak memory in MiB"] > 10
    run("evaluate.py", *words, "--out", tmp_path)
    again = report_of(tmp_path)
    assert again["images/s"] is None  # no picture went through the network
    assert again["provenance"]["dataset"] == made["dataset"]


def test_with_json_a_terminal_shows_rate_and_remaining_time_and_stdout_is_the_file(folder, words, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", AT_ONCE, *map(str, words), "--out", str(tmp_path), "--json"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # how a terminal ends
            pass
        out, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0, shown
    assert out == (tmp_path / "metrics.json").read_text()
    assert b"running " in shown
    assert re.search(rb"evaluate: +\d+%.*\[\d\d:\d\d<\d\d:\d\d, .*(img/s|s/img)\]", shown)
