"""What the export refuses, with a tiny twin; test_full_size.py has the network itself."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx
from common.errors import GuideError
from tests.conftest import FACTS, make_twin


def test_a_simplified_file_that_differs_from_torch_is_not_kept(twin_onnx, tmp_path, monkeypatch):
    """The file that is simplified has other weights than the network, which stands for a simplifier at fault."""

    def write_other_weights(network, facts, out, *rest):
        out.write_bytes(twin_onnx.read_bytes())

    monkeypatch.setattr(pth2onnx, "export", write_other_weights)
    network = make_twin()
    network.patterns[5] += 1
    with pytest.raises(GuideError, match="output 'box_p3' differs from torch by "):
        pth2onnx.export_simplified(network, FACTS, tmp_path / "d0.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["d0.onnx"]
