"""`python -m ascend_tools.testing.known` in each model directory, with a tiny twin of the network."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace

import pytest

from ascend_tools.testing import known as command
from ascend_tools.testing.twin import Twin
from tests.test_model_directories import package_of

pytest.importorskip("torch", reason="it makes the outputs")


def test_what_is_recorded_has_the_form_of_what_is_there_and_other_outputs(
    folder, facts, tmp_path, monkeypatch
):
    import evaluate

    module = importlib.import_module(f"{package_of(folder).name}.known")
    before = json.loads(module.KNOWN.path.read_text(encoding="utf-8"))
    monkeypatch.setattr(module, "KNOWN", replace(module.KNOWN, path=tmp_path / "known.json"))
    monkeypatch.setattr(evaluate, "load", lambda checkpoint: Twin(facts))
    path = command.record(folder)
    assert path == tmp_path / "known.json"
    after = json.loads(path.read_text(encoding="utf-8"))
    parts = ("inputs", "outputs", "results", "figures")
    assert {part: after[part].keys() for part in parts} == {part: before[part].keys() for part in parts}
    assert all(after["outputs"][name] != before["outputs"][name] for name in after["outputs"])
