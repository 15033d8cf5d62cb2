"""Every model's known answers: made wrong one by one, and seen; the metric against another network's results, too."""

from __future__ import annotations

import importlib
import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ascend_tools.testing.known import in_lines
from common.compare.known import PICTURES
from common.engine.task import Task


@pytest.fixture(scope="module")
def model(folder, facts, work):
    """The modules of a model that its known answers go through, and the sample pictures."""
    package = next(path.parent.name for path in folder.glob("*/known.py"))
    names = ("known", "task", "metric", "scoring")
    modules = {name: importlib.import_module(f"{package}.{name}") for name in names}
    sources = dict(itertools.islice(modules["task"].sources(work / "sample").items(), PICTURES))
    return SimpleNamespace(package=package, facts=facts, sources=sources, **modules)


def problems(model, task=None, sources=None):
    return model.known.KNOWN.problems(
        task or model.task.TASK, model.facts, model.sources if sources is None else sources, None
    )


def test_the_recorded_answers_hold(model):
    assert problems(model) == ()
    content = model.known.KNOWN.path.read_text()
    assert len(content) < 20_000
    recorded = json.loads(content)
    assert in_lines(recorded) == content
    assert recorded["outputs"].keys() <= {tensor.name for tensor in model.facts.outputs}
    assert [key.split(",")[0] for key in recorded["inputs"]] == list(model.sources)
    perfect = [value for name, value in recorded["figures"].items() if "truth itself" in name]
    assert perfect == [1.0] * len(perfect)
    assert perfect


def changed_inputs(task, change):
    def prepare(source):
        inputs, context = task.prepare(source)
        return {name: change(array) if array.ndim == 3 else array for name, array in inputs.items()}, context

    return Task(prepare, task.finish)


def channels_of(array):
    """The axis of a picture's channels."""
    return array.shape.index(3)


FAULTS = {
    "swapped channels": lambda array: np.flip(array, channels_of(array)),
    "another mean": lambda array: array + array.std() / 100,
    "another scale": lambda array: array * 1.01,
    "shifted": lambda array: np.roll(array, 1, axis=1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_preprocessing_is_seen(model, fault):
    (problem,) = problems(model, changed_inputs(model.task.TASK, FAULTS[fault]))
    assert problem.startswith("known inputs: input ")
    assert f"Look at {model.package}/preprocessing.py" in problem


def test_another_postprocessing_is_seen(model, monkeypatch):
    real = model.task.TASK
    wrong = Task(real.prepare, lambda outputs, context: real.finish(outputs, context) + 0.05)
    monkeypatch.setattr(model.known, "TASK", wrong)
    (problem,) = problems(model, sources={})
    assert problem.startswith("known results: result of made-up outputs")
    assert f"Look at {model.package}/postprocessing.py" in problem


def test_another_metric_is_seen(model):
    figures = {name: value * 0.99 for name, value in model.known.KNOWN.figures().items()}
    (problem,) = replace(model.known.KNOWN, figures=lambda: figures).problems(
        model.task.TASK, model.facts, {}, None
    )
    assert problem.startswith("known figures: figure of made-up predictions")
    assert f"Look at {model.package}/metric.py" in problem
