"""A command with --engine ray, as its user sees it: what is stored after each fault, what is said, what is left behind."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal

import pytest

from tests import ray_cluster as parts

pytestmark = pytest.mark.filterwarnings("default")  # of Ray's own files and sockets
COUNT = 203
LOST = "was lost: its process ended, killed or crashed; its work is given out again\n"


@pytest.fixture(scope="module")
def cluster():
    with parts.cluster_of(1, 1) as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model directory, items, and what a run in one process makes of them, by the network's file."""
    made = tmp_path_factory.mktemp("made")
    parts.write_directory(made / "model")
    data = parts.write_items(made / "items", COUNT)
    (data / "slow").write_text("0")
    for network in ("N", "4"):
        words = ["--model", f"{network}.onnx", "--data", data, "--batch-size", "4", "--out", made / network]
        with parts.spawn(made / "model", *words) as process:
            assert process.communicate()[0].splitlines()[-1].startswith(f"{COUNT} results, ")
    return made


@pytest.fixture
def data(made, tmp_path):
    data = shutil.copytree(made / "items", tmp_path / "items")
    (data / "slow").write_text("0.01")
    (data / "log").unlink()
    return data


@pytest.fixture
def start(made, cluster, data, tmp_path):
    """Start the command, which is ended at the end of the test; `local` in one process."""
    with contextlib.ExitStack() as stack:

        def run(*words, local=False, network="N", **options):
            engine = [] if local else ["--engine", "ray", "--address", cluster.address]
            model = ["--model", f"{network}.onnx", "--batch-size", "4", "--out", tmp_path / "out"]
            process = parts.spawn(made / "model", *model, "--data", data, *engine, *words, **options)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield run


def ended(process):
    """Return the exit status of a process and what it printed."""
    out, err = process.communicate(timeout=parts.LIMIT)
    return process.returncode, out, err


def is_whole(made, tmp_path, network="N"):
    return parts.stored(tmp_path / "out") == parts.stored(made / network)


def test_a_run_with_killed_workers_stores_the_same_and_says_what_was_lost(start, made, data, tmp_path):
    process = start("--quiet", network="4")
    parts.wait_for_items(data, 60, process)
    parts.kill_workers(data, 2)
    status, out, err = ended(process)
    assert (status, err) == (0, "")
    assert re.fullmatch(rf"{COUNT} results, -?\d+\.\d+\n", out)
    assert is_whole(made, tmp_path, "4")


def test_ray_adds_no_word_of_its_own(start, made, data, tmp_path):
    process = start("--actors", 1)
    parts.wait_for_items(data, 60, process)
    parts.kill_workers(data)
    status, out, err = ended(process)
    assert status == 0
    assert re.fullmatch(rf"{COUNT} inputs in .*\n{COUNT} results, .*\n", out)
    connecting, opening, running, lost = err.splitlines(keepends=True)
    assert (connecting, opening) == ("connecting to Ray ...\n", "opening the network with 1 actor ...\n")
    assert running == f"running {COUNT} inputs ...\n"
    assert lost.endswith(LOST)
    assert is_whole(made, tmp_path)


@pytest.mark.parametrize("order", [("ray", "local"), ("local", "ray")])
def test_what_a_killed_driver_has_stored_is_not_computed_again(start, made, data, tmp_path, order):
    first, second = (engine == "local" for engine in order)
    (data / "slow").write_text("0.03")
    process = start(local=first)
    parts.wait_for_items(data, 120, process)
    process.kill()
    process.wait()
    pids = {pid for pid, _ in parts.log(data)}
    parts.wait_for(lambda: not any(map(parts.is_alive, pids)))
    before = len(parts.stored(tmp_path / "out")[0])
    assert 0 < before < COUNT
    (data / "log").unlink()
    (data / "slow").write_text("0.01")
    status, out, _ = ended(start(local=second))
    assert status == 0
    assert f"{before} of {COUNT} results are there already\n" in out
    assert len(parts.log(data)) == COUNT - before
    assert is_whole(made, tmp_path)


def test_ctrl_c_ends_it_in_one_line_and_leaves_no_worker(start, data, tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may have its background jobs ignore it
    try:
        process = start()
    finally:
        signal.signal(signal.SIGINT, before)
    parts.wait_for_items(data, 100, process)
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    assert err.splitlines()[3:] == [
        "",
        "interrupted; what is complete stays, run the same command again to go on.",
    ]
    pids = {pid for pid, _ in parts.log(data)}
    parts.wait_for(lambda: not any(map(parts.is_alive, pids)))


def test_a_damaged_item_is_one_message_and_what_was_done_is_stored(start, data, tmp_path):
    (data / "item_180.raw").write_bytes(b"no picture")
    status, out, err = ended(start())
    assert (status, out) == (1, "")
    *_, last = err.splitlines()
    assert last.startswith(
        f"error: item_180: {data / 'item_180.raw'}: not a picture, or damaged. That was the worker on "
    )
    assert len(err.splitlines()) == 4
    assert len(parts.stored(tmp_path / "out")[0]) >= 40


def test_a_machine_that_leaves_is_told_once_and_the_others_do_its_work(start, made, cluster, data, tmp_path):
    extra = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    (data / "slow").write_text("0.05")
    process = start()
    parts.wait_for(lambda: len({pid for pid, _ in parts.log(data)}) == 3)
    cluster.remove_node(extra, allow_graceful=False)
    status, _, err = ended(process)
    assert (status, err.count(" was lost: ")) == (0, 1)
    assert len(err.splitlines()) == 4
    assert is_whole(made, tmp_path)


def test_machines_that_cannot_open_the_network_are_left_out(start, made, cluster, data, tmp_path):
    extra = []
    for package in ("onnxruntime", "onnx"):  # the second one is missed before the worker begins
        (tmp_path / package).mkdir()
        (tmp_path / package / f"{package}.py").write_text(
            f"raise ImportError('lib{package}.so: cannot be opened')"
        )
        extra.append(cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(tmp_path / package)}))
    cluster.wait_for_nodes()
    (data / "slow").write_text("0.05")
    try:
        status, _, err = ended(start())
    finally:
        for node in extra:
            cluster.remove_node(node)
    assert status == 0, err
    warnings = sorted(line for line in err.splitlines() if line.startswith("WARNING: "))
    assert len(warnings) == 2
    for package in ("onnxruntime", "onnx"):
        (warning,) = (line for line in warnings if f"lib{package}.so: cannot be opened" in line)
        assert warning.endswith(" It is left out.")
    assert is_whole(made, tmp_path)


def test_a_network_that_no_machine_can_open_is_one_message(start, made, data, tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no network")
    status, out, err = ended(start("--model", tmp_path / "no.onnx"))
    assert (status, out) == (1, "")
    *_, last = err.splitlines()
    assert last.startswith("error: ")
    assert "no.onnx: " in last
    assert "Traceback" not in err


def test_one_bar_is_shown_for_the_whole(start, made, data, tmp_path):
    main, terminal = pty.openpty()
    process = start("--actors", 2, stderr=terminal)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while part := os.read(main, 4096):
            shown += part
    os.close(main)
    assert ended(process)[0] == 0
    bars = re.findall(r"(\w+): +\d+%\|[^|]*\| (\d+)/(\d+)", shown.decode())
    assert {(what, int(total)) for what, _, total in bars} == {("evaluate", COUNT)}
    counts = [int(count) for _, count, _ in bars]
    assert counts == sorted(counts)
    assert counts[-1] == COUNT
