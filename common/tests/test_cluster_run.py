"""cluster/spread.py on a real cluster of two nodes: the same bytes as here, whatever is lost, and what cannot be read."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from common.backends.base import models_of
from common.backends.deployed import Runtime, open_deployed
from common.cluster import spread
from common.cluster.fleet import Fleet
from common.cluster.options import Engine
from common.cluster.parts import IN_HAND, LARGEST
from common.engine import stream
from common.errors import GuideError
from common.facts import read_facts
from common.files import file_hash
from common.timing import Stopwatch
from tests import ray_cluster as parts

pytestmark = pytest.mark.filterwarnings("default")  # of Ray's own files and sockets
COUNT = 203  # no whole number of batches
DONE_AGAIN = 2 * IN_HAND * 25  # items, at most, that two workers have in hand with so many to do
SIZES = (1, 4, 7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model directory whose package can be imported."""
    made = tmp_path_factory.mktemp("model")
    parts.write_directory(made)
    np.zeros((3, 4, 6), np.float32).tofile(made / "shipped.json")
    sys.path.insert(0, str(made))
    yield made
    sys.path.remove(str(made))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny_pictures"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def fleet(folder):
    """The network on two workers; what a test changes of it is put back."""
    with parts.cluster_of(1, 1) as cluster:
        engine = Engine("ray", cluster.address)
        with Fleet(folder / "N.onnx", Runtime(), engine, read_facts(folder), folder) as opened:
            yield opened


@pytest.fixture
def both(fleet):
    """The fleet once both workers are there."""
    parts.wait_for(lambda: opened_all(fleet))
    return fleet


def opened_all(fleet):
    import ray

    for member in list(fleet.members):
        if not member.opened and ray.wait([member.opening], timeout=0.1)[0]:
            fleet.was_opened(member.opening)
    return len(fleet.ready) == 2


@pytest.fixture
def task(folder):
    return importlib.import_module("tiny_pictures.task").TASK


@pytest.fixture
def data(tmp_path):
    return parts.write_items(tmp_path / "items", COUNT)


@pytest.fixture
def sources(data):
    return {path.stem: path for path in sorted(data.glob("*.raw"))}


@pytest.fixture
def here(folder, task):
    """Run items in this process."""

    def run(sources, batch_size=4, network="N.onnx"):
        with open_deployed(folder / network, Runtime(), read_facts(folder), folder) as deployed:
            options = {"batch_size": batch_size, "workers": 2, "watch": Stopwatch()}
            return bytes_of(stream.run(task, models_of(deployed), sources, **options))

    return run


def bytes_of(results):
    """Return results as bytes; a key may come once."""
    found = [(key, result.tobytes()) for key, result in results]
    assert len(dict(found)) == len(found)
    return dict(found)


def run(task, fleet, sources, batch_size=4, **options):
    options = {"workers": None, "watch": Stopwatch(), "hash_of": file_hash, **options}
    return spread.run_on_ray(task, fleet, sources, batch_size=batch_size, **options)


@pytest.mark.parametrize("batch_size", SIZES)
def test_results_are_those_of_this_process_to_the_last_byte(both, task, sources, data, here, batch_size):
    (data / "slow").write_text("0.001")
    expected = here(sources, batch_size)
    (data / "log").unlink()
    watch = Stopwatch()
    found = bytes_of(run(task, both, sources, batch_size, watch=watch))
    assert found == expected
    short = COUNT % batch_size  # what is stored in whole batches has the same ones
    assert [*found][COUNT - short :] == [*sources][COUNT - short :]
    assert sorted(name for _, name in parts.log(data)) == sorted(sources)
    assert len({pid for pid, _ in parts.log(data)}) == 2
    assert {"preprocess", "infer", "postprocess"} <= watch.seconds.keys()


@pytest.mark.parametrize("lost", [1, 2])
def test_what_killed_workers_had_in_hand_is_done_again_in_order(both, task, sources, data, here, lost, capfd):
    expected = here(sources)
    (data / "log").unlink()
    with parts.in_the_middle(data, 60, lambda: parts.kill_workers(data, lost)):
        found = bytes_of(run(task, both, sources, in_order=True))
    assert found == expected
    assert list(found) == list(sources)
    assert COUNT < len(parts.log(data)) <= COUNT + DONE_AGAIN
    told = capfd.readouterr()
    assert told.out == ""
    assert (
        told.err.count("was lost: its process ended, killed or crashed; its work is given out again\n")
        == lost
    )
    assert len(told.err.splitlines()) == lost


def test_batches_that_are_fed_from_here_survive_a_killed_worker(both, folder, sources, data, here, capfd):
    from ray import get

    expected = here(sources)
    task = importlib.import_module("tiny_pictures.task").TASK
    (data / "log").unlink()
    pids = [get(member.actor.__ray_call__.remote(lambda _: os.getpid())) for member in both.members]
    with parts.in_the_middle(data, 60, lambda: os.kill(pids[0], 9)):
        options = {"batch_size": 4, "workers": 2, "watch": Stopwatch()}
        assert bytes_of(stream.run(task, models_of(both), sources, **options)) == expected
    assert capfd.readouterr().err.count(" was lost: ") == 1


def test_an_item_that_takes_each_worker_with_it_ends_the_run_after_three(both, task, sources, data, capfd):
    (data / "deadly").write_text("item_101")
    told = "(item_[0-9]+, )?item_101(, item_[0-9]+)?: 3 workers have ended with these items in hand, the last one the worker on"
    with pytest.raises(GuideError, match=told):
        bytes_of(run(task, both, sources, 1))
    assert [name for _, name in parts.log(data)].count("item_101") == 3
    assert capfd.readouterr().err.count(" was lost: ") == 3
    (data / "deadly").write_text("")
    assert len(bytes_of(run(task, both, sources))) == COUNT  # who comes next finds new workers


def test_a_damaged_item_is_named_with_its_machine_and_what_was_done_has_come(both, task, sources, data):
    sources["item_150"].write_bytes(b"no picture")
    found = {}
    with pytest.raises(GuideError) as error:
        found.update(run(task, both, sources))
    assert len(found) >= 40
    told = str(error.value)
    assert told.startswith(
        f"item_150: {sources['item_150']}: not a picture, or damaged. That was the worker on "
    )


def test_an_item_that_is_not_there_is_told_as_here(both, task, sources):
    sources["item_150"].unlink()
    with pytest.raises(
        GuideError, match=f"{sources['item_150']}: No such file or directory. That was the worker on "
    ):
        bytes_of(run(task, both, sources))


@pytest.fixture
def seen_here_alone(data, monkeypatch):
    """Items whose paths lead each process to where it runs."""
    monkeypatch.chdir(data)
    return {f"item_{n:03}": Path("/proc/self/cwd") / f"item_{n:03}.raw" for n in range(20)}


def test_what_a_worker_does_not_see_is_told_with_the_remedy(both, task, seen_here_alone):
    told = (
        r"/proc/self/cwd/item_\d+.raw: is here, and not for the worker on .*. Put the pictures on storage that all machines "
        "see under this path, or add --send-pictures."
    )
    with pytest.raises(GuideError, match=told):
        bytes_of(run(task, both, seen_here_alone))


def test_pictures_that_are_sent_need_no_storage(both, task, seen_here_alone, here, monkeypatch):
    expected = here(seen_here_alone)
    monkeypatch.setattr(both, "engine", replace(both.engine, send_pictures=True))
    assert bytes_of(run(task, both, seen_here_alone)) == expected


def test_another_file_of_the_same_name_is_told(both, task, data, monkeypatch):
    monkeypatch.chdir(data)
    np.ones((3, 4, 6), np.float32).tofile(data / "shipped.json")
    told = "/proc/self/cwd/shipped.json: the worker on .* has another file under this name than this machine"
    with pytest.raises(GuideError, match=told):
        bytes_of(run(task, both, {"item": Path("/proc/self/cwd/shipped.json")}))


def test_of_a_long_list_a_bounded_part_is_taken_ahead(both, task, data):
    (data / "slow").unlink()
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield str(taken), data / "item_000.raw"

    ahead = []
    with closing(run(task, both, endless(), 8, in_order=True, hash_of=None)) as results:
        for number, (key, _) in enumerate(islice(results, 20_000), start=1):
            assert key == str(number)
            ahead.append(taken - number)
    assert max(ahead) <= 2 * (spread.AHEAD + IN_HAND + 1) * LARGEST
