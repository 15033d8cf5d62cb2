"""evaluate.py of every model, killed in the middle: it goes on, computes nothing twice, and gives the same figures."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys

import pytest

from ascend_tools.testing.twin import twin_onnx

# Every batch is written at once, and after two of them the process is killed as kill -9 does.
KILLED = """
import os, signal, sys
import common.engine.store as store
store.INTERVAL, write, left = -1.0, store.Store._write, [2]
def write_and_die(self, rows):
    write(self, rows)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
store.Store._write = write_and_die
sys.path.insert(0, "")
import evaluate
raise SystemExit(evaluate.main(sys.argv[1:]))
"""


@pytest.fixture
def words(work, tmp_path):
    """The arguments of evaluate.py with the twin on a small part of the sample data."""
    data = shutil.copytree(work / "sample", tmp_path / "sample")
    return [str(word) for word in ("--model", work / "twin.onnx", "--data", data, "--limit", 10)]


def figures(out):
    """Return what was measured, without what differs from run to run, and the stages that took time."""
    report = json.loads((out / "metrics.json").read_text())
    return report, report.pop("seconds").keys()


def test_it_goes_on_where_it_was_and_gives_the_same_figures(folder, words, run, tmp_path):
    straight, out = tmp_path / "straight", tmp_path / "out"
    assert run("evaluate.py", *words, "--out", straight).returncode == 0
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words, "--out", str(out)], cwd=folder, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "metrics.json").exists()
    for stored, stage in ((": 2 of ", {"infer"}), (" results are there already", set())):
        done = run("evaluate.py", *words, "--out", out)
        assert done.returncode == 0, done.stderr
        assert stored in done.stdout
        report, stages = figures(out)
        assert report == figures(straight)[0]
        assert stages & {"infer"} == stage


def test_another_network_and_a_changed_picture_are_noticed(facts, words, run, tmp_path):
    assert run("evaluate.py", *words, "--out", tmp_path).returncode == 0
    other = twin_onnx(facts, tmp_path / "other.onnx", seed=1)
    words += ["--model", other, "--out", tmp_path]
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    assert "of another network or other settings are not used" in done.stdout
    assert "are there already" not in done.stdout
    pictures = sorted((tmp_path / "sample").rglob("*"))
    picture = next(path for path in pictures if path.suffix in (".jpg", ".png", ".bin"))
    picture.write_bytes(changed(picture.read_bytes()))
    done = run("evaluate.py", *words)
    assert done.returncode == 0, done.stderr
    found = re.search(r"(\d+) of (\d+) results are there already", done.stdout)
    if picture.suffix == ".bin":  # all faces are in one file
        assert found is None
    else:
        assert int(found[1]) == int(found[2]) - 1


def changed(content):
    """Return the content of a picture file with a comment, or of a pickle with a part that is not read."""
    if content.startswith(b"\xff\xd8"):
        return content[:2] + b"\xff\xfe\x00\x04hi" + content[2:]
    return content + b"."
