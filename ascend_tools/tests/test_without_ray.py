"""An evaluation in one process neither needs nor imports Ray; where Ray is asked for and missing, that is told."""

from __future__ import annotations

import json
import subprocess
import sys

# Runs a script to its end, and prints as its last line which packages were imported.
CODE = (
    "import contextlib, json, runpy, sys\n"
    "sys.argv = sys.argv[1:]\n"
    "sys.path.insert(0, '')\n"
    "with contextlib.suppress(SystemExit):\n"
    "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
)
WAITED = 300  # seconds for a script


def imported(folder, *words):
    """Return the packages that a script of a model directory imports in a process of its own."""
    command = [sys.executable, "-c", CODE, *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=WAITED)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_an_evaluation_here_does_not_import_ray(folder, work, tmp_path):
    words = ("--model", work / "twin.onnx", "--data", work / "sample", "--out", tmp_path)
    found = imported(folder, "evaluate.py", *words)
    assert (tmp_path / "metrics.json").is_file()
    assert {"common", "numpy", "onnxruntime"} <= found
    assert not {"ray", "pyarrow"} & found


def test_where_ray_is_missing_the_command_that_installs_it_is_told(work, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ("--model", work / "twin.onnx", "--data", work / "sample", "--out", tmp_path / "out")
    done = run("evaluate.py", *words, "--engine", "ray")
    assert done.returncode == 1
    told = f"error: {sys.prefix}: --engine ray needs the package ray, which is not installed there: "
    assert done.stderr == f"{told}pip install -r requirements-ray.txt\n"
    assert not (tmp_path / "out").exists()


def test_what_is_for_ray_alone_is_refused_without_it(work, run, tmp_path):
    words = ("--model", work / "twin.onnx", "--data", work / "sample", "--out", tmp_path / "out")
    done = run("evaluate.py", *words, "--actors", "2")
    assert done.returncode == 1
    assert "error: --address, --actors and --send-pictures are for --engine ray" in done.stderr
