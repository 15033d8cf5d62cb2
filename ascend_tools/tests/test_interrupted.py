"""evaluate.py of every model, killed in the middle: it goes on, computes nothing twice, and gives the same figures."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ascend_tools.testing.twin import twin_onnx
from common.facts import read_facts

ROOT = Path(__file__).resolve().parents[2]
DIRECTORIES = sorted(path.parent for path in ROOT.glob("*/model.toml"))
# Every batch is written at once, and after some of them the process is killed as kill -9 does.
KILLED = """
import os, signal, sys
import common.engine.store as store
store.INTERVAL, write, left = -1.0, store.Store._write, [{batches}]
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
SAMPLE = "import evaluate, pathlib, sys; evaluate.sample.write_sample(pathlib.Path(sys.argv[1]))"


@pytest.fixture(scope="module", params=DIRECTORIES, ids=[path.name for path in DIRECTORIES])
def case(request, tmp_path_factory):
    """A model directory, a tiny network in its place, its sample data, and its figures without interruption."""
    folder, work = request.param, tmp_path_factory.mktemp(request.param.name)
    facts = read_facts(folder)
    twin_onnx(facts, work / "twin.onnx")
    twin_onnx(facts, work / "other.onnx", seed=1)
    python(folder, SAMPLE, work / "sample")
    done = evaluate(folder, work, "twin.onnx", "straight")
    assert done.returncode == 0, done.stderr
    yield folder, work, figures(work / "straight")
    shutil.rmtree(work)


def python(folder, code, *words):
    """Run Python code in a model directory."""
    command = [sys.executable, "-c", code, *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": "."}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def evaluate(folder, work, network, out, batches=None):
    """Run evaluate.py on the sample data as a user does, or killed after some batches are stored."""
    words = ["--model", work / network, "--data", work / "sample", "--out", work / out]
    code = KILLED.format(batches=batches) if batches else "import evaluate, sys; sys.exit(evaluate.main())"
    return python(folder, code, *words)


def figures(out):
    """Return what was measured, without what differs from run to run."""
    report = json.loads((out / "metrics.json").read_text())
    del report["seconds"]
    return report


def test_it_goes_on_where_it_was_and_gives_the_same_figures(case):
    folder, work, expected = case
    assert evaluate(folder, work, "twin.onnx", "out", batches=2).returncode == -9
    assert not (work / "out" / "metrics.json").exists()
    done = evaluate(folder, work, "twin.onnx", "out")
    assert done.returncode == 0, done.stderr
    assert ": 2 of " in done.stdout
    assert figures(work / "out") == expected
    again = evaluate(folder, work, "twin.onnx", "out")
    seconds = json.loads((work / "out" / "metrics.json").read_text())["seconds"]
    assert again.returncode == 0
    assert "infer" not in seconds
    assert figures(work / "out") == expected


def test_another_network_and_a_changed_picture_are_noticed(case):
    folder, work, _ = case
    shutil.copytree(work / "straight", work / "changed")
    done = evaluate(folder, work, "other.onnx", "changed")
    assert done.returncode == 0, done.stderr
    assert "of another network or other settings are not used" in done.stdout
    assert "are there already" not in done.stdout
    picture = next(
        path for path in sorted((work / "sample").rglob("*")) if path.suffix in (".jpg", ".png", ".bin")
    )
    before = picture.read_bytes()
    try:
        picture.write_bytes(changed(before))
        done = evaluate(folder, work, "other.onnx", "changed")
    finally:
        picture.write_bytes(before)
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
