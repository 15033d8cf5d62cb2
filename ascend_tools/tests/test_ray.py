"""evaluate.py of every model with --engine ray: the figures and the stored bytes are those of one process."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3

import pytest

from common.cluster import connect

pytestmark = pytest.mark.filterwarnings("default")  # of Ray's own files and sockets
OTHER = (
    "images/s",
    "peak memory in MiB",
    "seconds",
    "provenance",
)  # differ from run to run, or say how it was run


@pytest.fixture(scope="module")
def address():
    """The address of a cluster of two nodes of one core."""
    for name, value in connect.QUIET.items():
        os.environ.setdefault(name, value)  # before the import below
    cluster_utils = pytest.importorskip(
        "ray.cluster_utils", reason="ray is not installed, see requirements-ray.txt"
    )
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def stored(out):
    with contextlib.closing(sqlite3.connect(out / "predictions.sqlite")) as database:
        queries = ("SELECT * FROM results", "SELECT * FROM run")
        return [sorted(database.execute(query)) for query in queries]


def test_a_cluster_gives_the_figures_and_the_bytes_of_one_process(address, work, run, tmp_path):
    words = ["--model", work / "twin.onnx", "--data", work / "sample", "--limit", 10]
    engines = {"local": [], "ray": ["--engine", "ray", "--address", address]}
    reports, stores = {}, {}
    for engine, more in engines.items():
        done = run("evaluate.py", *words, *more, "--out", tmp_path / engine)
        assert done.returncode == 0, done.stderr
        report = json.loads((tmp_path / engine / "metrics.json").read_text())
        assert ("cluster" in report["provenance"]) == (engine == "ray")
        assert {"preprocess", "infer", "postprocess"} <= report["seconds"].keys()
        reports[engine] = {name: value for name, value in report.items() if name not in OTHER}
        stores[engine] = stored(tmp_path / engine)
    assert reports["ray"] == reports["local"]
    assert stores["ray"] == stores["local"]
    assert len(stores["ray"][0]) > 1
