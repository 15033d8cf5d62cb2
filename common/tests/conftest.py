"""Fixtures: a tiny ONNX model and its inputs, a model.toml, outside programs put on PATH, a network in numpy."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading

import numpy as np
import pytest

from ascend_tools.testing import profiles
from ascend_tools.testing.programs import nothing_on_path, npu_smi, program
from ascend_tools.testing.tiny import make_inputs, make_onnx, write_model
from common.cluster import connect
from common.engine import stream
from common.errors import GuideError
from common.graph.outline import Value
from common.report import page
from common.timing import Stopwatch
from tests.fake_atc import fake_atc, tiny_folder

os.environ |= {name: value for name, value in connect.QUIET.items() if name not in os.environ}  # ahead of Ray

__all__ = [
    "fake_atc",
    "make_inputs",
    "make_onnx",
    "nothing_on_path",
    "npu_smi",
    "program",
    "tiny_folder",
    "write_model",
]

profiles.load()


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Make no page of a report, which takes seconds."""
    monkeypatch.setattr(page, "is_installed", lambda: False)


@contextlib.contextmanager
def refused(message, *, whole=True):
    """Expect a GuideError with this message, or one that begins with it."""
    with pytest.raises(GuideError) as error:
        yield
    found = str(error.value)
    assert found == message if whole else found.startswith(message)


@contextlib.contextmanager
def wrong_usage(capsys, message):
    """Expect a command to end with exit code 2, as argparse does, and this in what it says."""
    with pytest.raises(SystemExit) as stop:
        yield
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


class Doubling:
    """An open network: image, three numbers, to twice the image, and its sum plus `more`, a second input if `two`.

    It notes the feeds of each batch, and the threads that feed it.
    """

    name, precision, identity = "numpy", "float32", "doubling"

    def __init__(self, batch="N", *, two=False):
        more = (Value("more", "int64", (batch,)),) if two else ()
        self.inputs = (Value("image", "float32", (batch, 3)), *more)
        self.outputs = (Value("twice", "float32", (batch, 3)), Value("sum", "float32", (batch,)))
        self.fed, self.threads = [], set()

    @property
    def sizes(self):
        return [len(feeds["image"]) for feeds in self.fed]

    def run(self, feeds):
        self.fed.append(feeds)
        self.threads.add(threading.get_ident())
        image = feeds["image"]
        return [2 * image, image.sum(1) + feeds.get("more", np.zeros(len(image), np.float32))]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def numbered(count):
    """Return numbers as sources of a stream, by a name each."""
    return {f"name {number}": number for number in range(count)}


def of_number(number):
    """Prepare the image of a number: three times itself."""
    return {"image": np.full(3, number, np.float32)}, number


def streamed(models, task, batch_size=2, workers=2, count=60):
    """Run a task on as many numbers."""
    options = {"batch_size": batch_size, "workers": workers, "watch": Stopwatch()}
    return stream.run(task, models, numbered(count), **options)


@pytest.fixture
def doubling():
    return Doubling


@pytest.fixture
def quick_sqlite(monkeypatch):
    """Have SQLite not wait for the disk."""

    def quick(*words, **options):
        database = connect(*words, **options)
        with contextlib.suppress(Exception):  # of a damaged file, which is another's to tell
            database.execute("PRAGMA synchronous = OFF")
        return database

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", quick)
