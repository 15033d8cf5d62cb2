"""A model directory around the tiny network: model.toml, an AIPP file, a package with a task, five sample "pictures"."""

from __future__ import annotations

import sys

import pytest

PACKAGE = "tiny_pictures"
TASK = """\
import numpy as np

from common.engine.task import Task


def prepare(path):
    return {"image": np.load(path)}, None


def finish(outputs, _context):
    return outputs[1]


def sources(data):
    return {path.stem: path for path in sorted(data.glob("*.npy"))}


TASK = Task(prepare, finish)
"""
SAMPLE = """\
import numpy as np


def write_sample(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(5):
        picture = np.random.default_rng(number).integers(0, 256, (4, 6, 3), np.uint8)
        np.save(folder / f"picture_{number}.npy", picture)
    return folder
"""


@pytest.fixture
def tiny_directory(tmp_path, write_model, make_onnx):
    """Write a model directory with `tiny.onnx`, whose input is uint8 4x6x3, and return it; `task` takes its task.py's place."""
    (tmp_path / PACKAGE).mkdir()

    def write(task=TASK):
        for name, text in (("__init__", ""), ("task", task), ("sample", SAMPLE)):
            (tmp_path / PACKAGE / f"{name}.py").write_text(text, encoding="utf-8")
        write_model()
        make_onnx()
        return tmp_path

    yield write
    sys.path[:] = [place for place in sys.path if place != str(tmp_path.resolve())]
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
