"""cluster/ship.py and connect.py on a real cluster: what a network needs reaches workers, wherever it lies here."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ascend_tools.testing.ray_nodes import ray_started
from common.backends.deployed import Runtime
from common.backends.emulation import Emulation
from common.cluster.anywhere import open_anywhere, run_anywhere
from common.cluster.options import LOCAL, RAY, Engine
from common.engine.task import Task
from common.errors import GuideError
from common.facts import read_facts
from common.report.emulated import EMULATED
from common.timing import Stopwatch
from tests.conftest import refused
from tests.ray_cluster import LIMIT, cluster_of, spawn, write_directory, write_items


@pytest.fixture(scope="module")
def address():
    """The address of a cluster whose head has no cores."""
    with cluster_of(1) as cluster:
        yield cluster.address


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model directory, which is the working directory, beside items."""
    write_directory(tmp_path / "model directory")
    write_items(tmp_path / "items", 5)
    monkeypatch.chdir(tmp_path / "model directory")
    monkeypatch.syspath_prepend(tmp_path / "model directory")
    return tmp_path / "model directory"


@pytest.fixture
def results(folder, address):
    """Return the results of the items by key, and what the network says of itself, here or by a worker."""

    def run(model, name, **runtime):
        from tiny_pictures import task

        engine, facts = Engine(name, address if name == RAY else None), read_facts(folder)
        with open_anywhere(model, Runtime(**runtime), engine, facts, folder, batch_size=2) as deployed:
            own, items = Task(task.prepare, task.finish), task.sources(folder.parent / "items")
            found = run_anywhere(own, deployed, items, batch_size=2, workers=1, watch=Stopwatch())
            told = (deployed.name, deployed.precision, deployed.identity, getattr(deployed, "emulation", ""))
            return {key: value.tobytes() for key, value in found}, told

    return run


def test_a_network_of_several_files_and_one_behind_a_link(folder, results):
    model = onnx.load("N.onnx")
    third = numpy_helper.from_array(np.full((3, 4, 6), 1 / 3, np.float32), "third")
    model.graph.initializer[0].CopyFrom(third)
    place = folder / "kept elsewhere" / "the network.onnx"
    place.parent.mkdir()
    onnx.save(model, place, save_as_external_data=True, location="its weights", size_threshold=0)
    assert (place.parent / "its weights").stat().st_size == 4 * 3 * 4 * 6
    (place.parent / "a link.onnx").symlink_to(folder / "N.onnx")
    for path in (place, Path("kept elsewhere") / "a link.onnx"):
        assert results(path, RAY) == results(path, LOCAL)


def test_an_emulation_whose_options_name_files(folder, results):
    (folder.parent / "lists.json").write_text(json.dumps({"black-list": {"to-add": ["Mul"]}}))
    (folder.parent / "kept.txt").write_text("OpType::Add\n")
    named = (("modify_mixlist", "../lists.json"), ("precision_mode", "allow_mix_precision"))
    emulations = [
        Emulation(options=named),
        Emulation(options=(("keep_dtype", str(folder.parent / "kept.txt")),)),
    ]
    found = [
        [results(Path("N.onnx"), name, precision=EMULATED, emulation=emulation) for name in (RAY, LOCAL)]
        for emulation in emulations
    ]
    assert all(ray == local for ray, local in found)
    assert "in float32: Mul" in found[0][0][1][3]
    assert "in float32: OpType::Add" in found[1][0][1][3]


def test_a_mistake_in_such_a_file_is_told_by_its_own_name(folder, results):
    (folder / "lists.json").write_text("{")
    emulation = Emulation(
        options=(("modify_mixlist", "lists.json"), ("precision_mode", "allow_mix_precision"))
    )
    with refused("lists.json", whole=False):
        results(Path("N.onnx"), RAY, precision=EMULATED, emulation=emulation)


def test_openvino_on_a_worker(folder, results):
    pytest.importorskip("openvino", reason="openvino is not installed: requirements-openvino.txt")
    (folder / "requirements-openvino.txt").write_text("openvino\n")
    assert results(Path("N.onnx"), RAY, backend="openvino") == results(
        Path("N.onnx"), LOCAL, backend="openvino"
    )


def test_a_network_that_ray_does_not_send_is_told_with_the_remedy(folder, results, monkeypatch):
    packaging = pytest.importorskip("ray._private.runtime_env.packaging")
    monkeypatch.setattr(packaging, "GCS_STORAGE_MAX_SIZE", 1000)
    with pytest.raises(GuideError) as error:
        results(Path("N.onnx"), RAY)
    told = str(error.value)
    assert told.startswith(
        "N.onnx: Ray did not take it with the code: Failed to set up runtime environment. "
    )
    assert told.endswith(
        "exceeds the maximum size of 0.00MiB. A larger model needs a higher limit: set "
        "RAY_max_grpc_message_size=2000000000 for ray start on each machine, and for this command."
    )


def test_a_cluster_that_asks_for_this_machines_token_is_joined(folder):
    (folder.parent / "token").write_text("0123456789abcdef" * 4)
    with tempfile.TemporaryDirectory(prefix="r") as place:
        own = {"RAY_TMPDIR": place, "RAY_AUTH_TOKEN_PATH": str(folder.parent / "token")}
        with ray_started("--num-cpus", "1", environment={**own, "RAY_AUTH_MODE": "token"}):
            words = (
                "--engine",
                "ray",
                "--address",
                "auto",
                "--model",
                "N.onnx",
                "--data",
                folder.parent / "items",
            )
            clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
            with spawn(folder, *words, env={**clean, **own}) as process:
                printed, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, told
    assert printed.splitlines()[-1].startswith("5 results, ")
