"""OM files on the rehearsed NPUs of a Ray cluster: which device each worker opens, and that results are those of here."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("ray", reason="ray is not installed, see requirements-ray.txt")

import ray

from ascend_tools.rehearse import layout, settings
from ascend_tools.testing.ray_nodes import ray_started
from ascend_tools.testing.rehearsed import fresh, make_om
from ascend_tools.testing.tiny import MODEL_TOML
from common.backends.deployed import Runtime
from common.cluster.anywhere import open_anywhere, run_anywhere
from common.cluster.options import LOCAL, RAY, Engine
from common.engine.task import Task
from common.facts import read_facts
from common.timing import Stopwatch

__all__ = ["fresh", "make_om"]
# In the place of pyACL: notes as which number a device is opened, and which chip that is.
ACL = """\
import os

from ascend_tools.rehearse import machine, runtime, settings
from ascend_tools.rehearse.acl import *

_open = runtime.open_device


def open_device(device):
    _open(device)
    with open(os.environ["OPENED"], "a") as log:
        log.write(f"{os.getpid()} {device} {machine.visible(settings.current())[device]}\\n")


runtime.open_device = open_device
"""
TASK = """\
import numpy as np

from common.engine.task import Task


def prepare(path):
    return {"image": np.load(path)}, None


def finish(outputs, _context):
    return outputs[1].copy()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model directory whose network has no AIPP."""
    package = tmp_path / "rehearsed_pictures"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "task.py").write_text(TASK)
    (tmp_path / "model.toml").write_text(MODEL_TOML.replace('insert_op_conf = "aipp.config"\n', ""))
    (tmp_path / "requirements.txt").write_text("numpy\nonnxruntime\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


@pytest.fixture
def host(tmp_path):
    """Start Ray on a machine of twelve rehearsed chips, of which no environment but its own tells."""
    layout.write(tmp_path / "twelve", settings.Settings(settings.SOC, chips=12))
    shim = tmp_path / "shim"
    (shim / "ais_bench").mkdir(parents=True)
    (shim / "ais_bench" / "__init__.py").write_text("raise ImportError('hidden')")
    (shim / "acl.py").write_text(ACL)
    own = {
        "ASCEND_GUIDES_REHEARSAL": str(tmp_path / "twelve"),
        "PYTHONPATH": f"{shim}:{tmp_path / 'twelve' / 'python'}",
        "OPENED": str(tmp_path / "opened"),
    }

    def start(*words, **environment):
        return ray_started(*words, environment={**own, **environment})

    return start


@pytest.fixture
def run(folder, make_onnx, make_om):
    """Run items through the OM once all workers have opened it; return the numbers that each opened, with the chip."""
    model, onnx, log = make_om(1), make_onnx(), folder / "opened"
    facts, sources = read_facts(folder), {}
    for number in range(9):
        sources[f"item {number}"] = folder / f"{number}.npy"
        np.save(folder / f"{number}.npy", np.full((3, 4, 6), number, np.float32))

    def results(path, engine, devices=()):
        from rehearsed_pictures import task

        own = Task(task.prepare, task.finish)
        with open_anywhere(path, Runtime(devices=devices), engine, facts, folder) as deployed:
            if engine.is_ray:
                assert deployed.name == "om by pyACL (rehearsal)"
                while opening := [member.opening for member in deployed.members if not member.opened]:
                    for ref in ray.wait(opening)[0]:
                        deployed.was_opened(ref)
            found = run_anywhere(own, deployed, sources, batch_size=1, workers=1, watch=Stopwatch())
            return {key: value.tobytes() for key, value in found}

    def call(address, *devices):
        log.write_text("")
        assert results(model, Engine(RAY, address), devices) == results(onnx, Engine(LOCAL))
        told = {tuple(map(int, line.split())) for line in log.read_text().splitlines()}
        return sorted((number, chip) for _, number, chip in told)

    return call


def test_where_ray_counts_and_gives_out_what_a_process_may_use(host, run):
    with host(ASCEND_RT_VISIBLE_DEVICES="0,5,11") as address:
        assert run(address) == [(0, 0), (0, 5), (0, 11)]
        # As CANN counts, and every program on it.
        assert run(address, 1, 2) == [(1, 5), (2, 11)]


def test_devices_that_are_named_are_opened_also_beyond_what_ray_counts(host, run, capsys):
    with host("--resources", '{"NPU": 2}', REHEARSAL_FAULT="device-taken:5") as address:
        assert run(address, 0, 5, 11) == [(0, 0), (11, 11)]
    assert "model/tiny.om: device 5: opening the model failed. Code 507033: " in capsys.readouterr().err
