"""evaluate.py of every model, killed in the middle: it goes on, computes nothing twice, and gives the same figures."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_tools.testing.twin import twin_onnx

# Every batch is written at once, and after one the process is killed as kill -9 does.
KILLED = """
import os, signal, sys
import common.engine.store as store
store.INTERVAL, write, left = -1.0, store.Store._write, [1]
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


# The process is killed when the predictions are written, and the figures are not.
KILLED_LATER = """
import os, signal, sys
sys.path.insert(0, "")
import evaluate
evaluate.conclude = lambda *words, **named: os.kill(os.getpid(), signal.SIGKILL)
evaluate.main(sys.argv[1:])
"""


@pytest.fixture
def words(work, tmp_path):
    """The arguments of evaluate.py with the twin on a small part of the sample data."""
    data = shutil.copytree(work / "sample", tmp_path / "sample")
    return [str(word) for word in ("--model", work / "twin.onnx", "--data", data, "--limit", 10)]


def figures(out):
    """Return what was measured, without what differs from run to run, and the stages that took time."""
    report = json.loads((out / "metrics.json").read_text())
    for name in ("images/s", "peak memory in MiB"):
        del report[name]
    for name in ("command", "date"):
        del report["provenance"][name]
    return report, report.pop("seconds").keys()


def test_it_goes_on_where_it_was_and_gives_the_same_figures(folder, words, run, tmp_path):
    straight, out = tmp_path / "straight", tmp_path / "out"
    assert run("evaluate.py", *words, "--out", straight).returncode == 0
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *words, "--out", str(out)], cwd=folder, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "metrics.json").exists()
    for stored, stage in ((": 1 of ", {"infer"}), (" results are there already", set())):
        done = run("evaluate.py", *words, "--out", out)
        assert done.returncode == 0, done.stderr
        assert stored in done.stdout
        report, stages = figures(out)
        assert report == figures(straight)[0]
        assert stages & {"infer"} == stage


def test_figures_never_stand_beside_predictions_that_they_are_not_of(folder, facts, words, run, tmp_path):
    out = tmp_path / "out"
    assert run("evaluate.py", *words, "--out", out).returncode == 0
    before = {
        path.name: path.read_bytes() for path in out.iterdir() if path.is_file() and path.suffix != ".sqlite"
    }
    assert "metrics.json" in before
    other = ["--model", str(twin_onnx(facts, tmp_path / "other.onnx", seed=1)), "--out", str(out)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_LATER, *words, *other],
        cwd=folder,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    assert killed.returncode == -signal.SIGKILL
    if (out / "metrics.json").exists():  # then nothing else is new either
        assert all((out / name).read_bytes() == content for name, content in before.items())


def test_two_at_once_and_a_full_stdout_give_the_same_figures(folder, words, run, tmp_path):
    straight, out = tmp_path / "straight", tmp_path / "out"
    assert run("evaluate.py", *words, "--out", straight).returncode == 0
    command, options = (
        [sys.executable, "evaluate.py", *words, "--out", str(out)],
        {"cwd": folder, "text": True},
    )
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, **options) as first,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options) as second,
    ):
        errors = [process.communicate()[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (1, 0), errors
    assert "error: stdout: No space left on device; not all could be printed, all else is done\n" in errors[0]
    assert "Traceback" not in "".join(errors)
    assert figures(out)[0]["metrics"] == figures(straight)[0]["metrics"]


def test_two_preprocessings_at_once_are_one_after_the_other(folder, work, tmp_path):
    data = work / "sample" / "lfw.bin" if (work / "sample" / "lfw.bin").exists() else work / "sample"
    command = [sys.executable, "preprocess.py", "--data", data, "--out", tmp_path / "prep" / "x"]
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options) as first, subprocess.Popen(command, **options) as second:
        errors = [process.communicate()[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), errors
    assert not list((tmp_path / "prep").rglob(".*"))
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "prep").rglob("*.bin")}
    subprocess.run(command, check=True, **options)
    assert made == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "prep").rglob("*.bin")}


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
