"""Fixtures: a tiny ONNX model and its inputs, a model.toml, outside programs put on PATH."""

from __future__ import annotations

from ascend_tools.testing import profiles
from ascend_tools.testing.programs import nothing_on_path, npu_smi, program
from ascend_tools.testing.tiny import make_inputs, make_onnx, write_model

__all__ = ["make_inputs", "make_onnx", "nothing_on_path", "npu_smi", "program", "write_model"]

profiles.load()
