"""What the tests on a real Ray cluster share: two nodes of one core, a model directory with a command, its workers' log."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ascend_tools.testing.tiny import MODEL_TOML
from common.cluster import connect

LIMIT = 90.0  # seconds for anything to happen

# What `prepare` does is said by files beside the items: who has prepared what is written to `log`, each item takes as many
# seconds as `slow` says, and an item that `deadly` names takes its worker with it.
TASK = """\
import os
import time

import numpy as np

from common.engine.task import Task
from common.errors import GuideError


def prepare(path):
    try:
        inputs = {"image": np.frombuffer(path.read_bytes(), np.float32).reshape(3, 4, 6)}
    except ValueError:
        raise GuideError(f"{path}: not a picture, or damaged.") from None
    place = path.resolve().parent
    if (place / "slow").is_file():
        time.sleep(float((place / "slow").read_text()))
        with open(place / "log", "a") as log:
            log.write(f"{os.getpid()} {path.stem}\\n")
        if path.stem in (place / "deadly").read_text().split():
            os._exit(1)
    return inputs, None


def finish(outputs, _context):
    return outputs[1].copy()


def sources(data):
    return {path.stem: path for path in sorted(data.glob("*.raw"))}


TASK = Task(prepare, finish)
"""
EVALUATE = """\
import sys
from pathlib import Path

from common import cli
from common.engine import store
from common.evaluation import Subject, opened, predictions
from common.facts import read_facts
from common.options import parse
from common.timing import Stopwatch
from tiny_pictures.task import TASK, sources

HERE = Path(__file__).resolve().parent
cli.DELAY = 0


@cli.command
def main(argv=None):
    options, facts = parse(cli.parser("Measure."), argv, "Items", "nothing"), read_facts(HERE)
    items = sources(options.data)
    with opened(Subject(options.model, None, "items", ()), options, facts, HERE, len(items)) as deployed:
        found = dict(predictions(TASK, deployed, items, options, Stopwatch()))
    print(f"{len(found)} results, {sum(float(each.sum()) for each in found.values()):.6f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
"""


def write_network(path, batch):
    """Write an ONNX file whose results depend on all items of a batch, and on the order of none."""

    def value(title, *shape):
        return helper.make_tensor_value_info(title, TensorProto.FLOAT, [batch, *shape])

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Mul", ["mean", "third"], ["part"]),
        helper.make_node("Add", ["image", "part"], ["scaled"]),
        helper.make_node("ReduceSum", ["scaled"], ["sums"], axes=[2, 3], keepdims=0),
    ]
    third = numpy_helper.from_array(np.array(1 / 3, np.float32), "third")
    outputs = [value("scaled", 3, 4, 6), value("sums", 3)]
    graph = helper.make_graph(nodes, "mixed", [value("image", 3, 4, 6)], outputs, [third])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.save(model, path)


def write_directory(folder):
    """Write a model directory: a package with a task, `evaluate.py`, model.toml without AIPP, a network by batch size."""
    package = folder / "tiny_pictures"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "task.py").write_text(TASK)
    (folder / "evaluate.py").write_text(EVALUATE)
    (folder / "model.toml").write_text(MODEL_TOML.replace('insert_op_conf = "aipp.config"\n', ""))
    (folder / "requirements.txt").write_text("numpy\nonnxruntime\n")
    for batch in ("N", 4):
        write_network(folder / f"{batch}.onnx", batch)


def write_items(folder, count):
    """Write so many items, each of them another one."""
    folder.mkdir()
    (folder / "deadly").write_text("")
    (folder / "slow").write_text("0.01")
    generator = np.random.default_rng(7)
    for number in range(count):
        generator.normal(0, 50, (3, 4, 6)).astype(np.float32).tofile(folder / f"item_{number:03}.raw")
    return folder


def log(data):
    """Return what was prepared so far: the number of a process and the name of an item each."""
    try:
        words = (data / "log").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [(int(pid), name) for pid, name in (line.split() for line in words if line.count(" ") == 1)]


def stored(out):
    """Return all that a store holds."""
    with contextlib.closing(sqlite3.connect(out / "predictions.sqlite")) as database:
        return sorted(database.execute("SELECT * FROM results")), database.execute(
            "SELECT * FROM run"
        ).fetchall()


def wait_for(condition):
    """Wait until a condition holds, and return what it returned."""
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def is_alive(pid):
    """Tell whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for_items(data, count, process):
    """Wait until so many items were prepared; the command may not end before."""

    def prepared():
        assert process.poll() is None, process.communicate()
        return len(log(data)) >= count

    wait_for(prepared)


@contextlib.contextmanager
def in_the_middle(data, count, act):
    """Act, in another thread, once so many items were prepared."""

    def wait():
        wait_for(lambda: len(log(data)) >= count)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def kill_workers(data, count=1):
    """Kill so many of the processes that have prepared something and run."""
    pids = [pid for pid in dict.fromkeys(pid for pid, _ in log(data)) if is_alive(pid)]
    for pid in pids[:count]:
        os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def cluster_of(*cores):
    """Yield a cluster of a head without cores, and a node for each number of cores."""
    for name, value in connect.QUIET.items():
        os.environ.setdefault(name, value)  # before the import below
    cluster_utils = pytest.importorskip(
        "ray.cluster_utils", reason="ray is not installed, see requirements-ray.txt"
    )
    cluster = cluster_utils.Cluster(True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for count in cores:
            cluster.add_node(num_cpus=count)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def spawn(folder, *words, **options):
    """Start `evaluate.py` as a user does."""
    command = [sys.executable, "evaluate.py", *map(str, words)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen(command, cwd=folder, **options)
