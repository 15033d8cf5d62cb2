"""The guide's own lines, in its tree: datasets/Market-1501, one result directory for both parts; with a twin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcb_market.sample import write_sample
from tests.conftest import HERE, read_json

PARTS = {"query": 6, "gallery": 21}
PERFORMANCE = "perf_vision_batchsize_1_device_0.txt"


@pytest.fixture
def lists(tmp_path, run):
    """The working directory after the guide's section 4."""
    write_sample(tmp_path / "datasets" / "Market-1501")
    words = ("-d", "market", "-b", "1", "--height", "384", "--width", "128", "-j", "4")
    done = run("PCB_pth_preprocess.py", *words, "--data-dir", "./datasets/Market-1501/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    words = ["sh", str(HERE / "get_info_Ascend310.sh")]
    subprocess.run(words, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
    return tmp_path


def test_both_parts_are_listed_as_the_benchmark_tool_reads_them(lists):
    for part, count in PARTS.items():
        folder = f"./{part}_preproc_data_Ascend310"
        lines = (lists / f"{folder}.info").read_text().splitlines()
        names = sorted(path.name for path in (lists / folder).glob("*.bin"))
        assert lines == [f"{i} {folder}/{name} 128 384" for i, name in enumerate(names)]
        assert len(lines) == count


def test_results_and_performance_of_both_parts_are_kept_by_renaming_them(lists, onnx, run):
    for part, count in PARTS.items():
        words = ("--model", onnx, "--input", f"{part}_preproc_data_Ascend310.info", "--out", "result")
        assert run("common.infer", *words, cwd=lists).returncode == 0
        for name, renamed in (
            ("dumpOutput_device0", f"dumpOutput_device0_{part}"),
            (PERFORMANCE, f"{part}_{PERFORMANCE}"),
        ):
            (lists / "result" / name).rename(lists / "result" / renamed)
        assert len([*(lists / "result" / f"dumpOutput_device0_{part}").glob("*_1.bin")]) == count
        assert "Interface throughputRate" in (lists / "result" / f"{part}_{PERFORMANCE}").read_text()
    done = run(
        "PCB_pth_postprocess.py",
        *("-q", "./result/dumpOutput_device0_query", "-g", "./result/dumpOutput_device0_gallery"),
        *("-d", "market", "--data-dir", "./datasets/Market-1501/"),
        cwd=lists,
    )
    assert done.returncode == 0, done.stderr
    table = read_json(lists / "output" / "PCB_inference_result.json")
    assert table["value"][0] == {"key": "Number of images", "value": "21"}
