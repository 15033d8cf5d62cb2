"""benchmarks/search.py: every figure is there, of real files."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.conftest import ROOT


def run(*words):
    command = [sys.executable, ROOT / "benchmarks" / "search.py", *words]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def test_a_small_run_has_every_figure(tmp_path):
    done = run("--models", "faceboxes,pcb", "--pictures", "20,30", "--gigabytes", "0.001", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "search.json").read_text())["models"].values()
    assert [row[0] for row in found["embed.py, .npy"]] == ["pictures", "20", "30"]
    assert {row[0] for row in found["search"][1:]} == {".npy", ".parquet"}
    assert all(float(cell) > 0 for rows in found.values() for row in rows[1:] for cell in row[1:])
    assert "## pcb: search" in (tmp_path / "search.md").read_text()


def test_a_model_that_embeds_nothing_is_told_and_one_that_is_none_refused():
    done = run("--models", "rfcn")
    assert (done.returncode, done.stdout.split("\n")[-3]) == (
        0,
        "rfcn: embeds nothing; lresnet100e_ir and pcb do",
    )
    done = run("--models", "resnet")
    assert done.returncode == 2
    assert "resnet: no such model; there are faceboxes" in done.stderr
