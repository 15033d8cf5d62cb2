"""Why the guide needs ops_info.json: what ascend_tools.preflight finds in this network."""

from __future__ import annotations

import pytest

from efficientdet_coco.sample import write_sample
from tests.conftest import HERE, read_json

pytest.importorskip("torch", reason="the ONNX file is exported with torch")


def test_the_list_that_preflight_writes_is_the_guides(recipe_fixed, run, tmp_path):
    import preprocess

    _, simplified = recipe_fixed
    data = write_sample(tmp_path / "data")
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path / "bins")]) == 0
    done = run(
        "ascend_tools.preflight",
        *("--model", simplified, "--input", tmp_path / "bins", "--limit", 2, "--out", tmp_path / "preflight"),
    )
    assert done.returncode == 0, done.stderr
    assert "ReduceMean" in done.stdout.splitlines()[3]  # worst first
    assert read_json(tmp_path / "preflight" / "ops_info.json") == read_json(HERE / "ops_info.json")
