"""benchmarks/scale.py: what it makes of what it measured, the worker that sleeps, and a small run on two nodes."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from common import threads
from common.facts import read_facts
from tests.conftest import ROOT

LOCAL = ("asleep", "inputs", "scale", "seeded", "timing")


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0].partition("_")[0] in LOCAL]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("model", "rate", "column"),
    [
        ("faceboxes", 1949, "310P"),  # not the T4, which is faster, and not a 310's four chips
        ("lresnet100e_ir", 746.128 / 4, "310 tuned"),
        ("rfcn", 4.92 / 4, "310"),
    ],
)
def test_the_fastest_chip_is_an_npus(model, rate, column):
    import scale_plan

    assert scale_plan.fastest_chip(read_facts(ROOT / model)) == (pytest.approx(rate), column)


def test_seconds_of_a_size_lie_on_a_line_that_never_falls():
    import scale_plan

    assert scale_plan.line({100: 1.1, 1100: 2.1}) == pytest.approx((1.0, 1e-3))
    assert scale_plan.line({100: 2.0, 1100: 1.0}) == (2.0, 0.0)  # as a busy machine has it


def plain(**other):
    import scale_plan

    costs = {"item": (1e-3, 0.0), "read": (2e-3, 0.0), "stored": (2e-3, 0.0), "message": 0.0}
    return scale_plan.Costs(**{**costs, "objects": 1e6, "sent": 1e6, **other})


def test_what_a_driver_feeds_is_what_its_parts_leave():
    import scale_plan

    asked = scale_plan.Load(rate=10.0, device="310P", picture=1000.0, result=100.0)
    fed = scale_plan.chips_fed(asked, plain(), link=1e5)
    assert fed["hashing"] == pytest.approx(50)
    assert (fed["results in"], fed["storing"]) == pytest.approx((100, 50))
    # One thread does them all, so that their shares add up.
    assert 1 / fed[scale_plan.THREAD] == pytest.approx(
        sum(1 / fed[n] for n in ("hashing", "results in", "storing"))
    )
    assert (fed["link"], fed[scale_plan.SENDING], fed["object store"]) == pytest.approx(
        (1e5 / 11e3, 100, 1000)
    )
    # A worker that has ten results a second tells at most ten times.
    talking = scale_plan.chips_fed(asked, plain(message=1.0), link=1e5)
    assert talking["results in"] < 1 / 8


@pytest.mark.parametrize(
    ("other", "link", "first", "drivers"),
    [
        ({}, 1e9, "hashing", 40),  # of 800 chips, each of which takes a 20th of the driver's thread
        ({"stored": (0.1, 0.0)}, 1e9, "storing", 824),
        ({}, 1e5, "link", 88),
        ({"objects": 1e3}, 1e9, "object store", 40),
    ],
)
def test_what_is_full_first_is_named_and_counted(other, link, first, drivers):
    import scale_plan

    costs = plain(**{"item": (1e-3, 0.0), "stored": (2e-3, 0.0), **other})
    asked = {"N": scale_plan.Load(rate=10.0, device="310P", picture=1000.0, result=100.0)}
    head, row = scale_plan.rows(asked, costs, link)
    assert (row[0], row[head.index("first")], row[head.index("drivers for all")]) == (
        "N",
        first,
        str(drivers),
    )


def test_a_result_that_is_lost_or_comes_twice_is_no_rate():
    import scale_rates

    assert scale_rates.rate([("a", 1), ("b", 2)], 2) > 0
    for wrong in ([("a", 1)], [("a", 1), ("a", 1)], [("a", 1), ("b", 1), ("a", 1)]):
        with pytest.raises(SystemExit, match="expected 2"):
            scale_rates.rate(wrong, 2)
    assert scale_rates.Rates(1.0, 10.0, 19.0).ratio == 0.95


@pytest.mark.parametrize(("goal", "rounds"), [(0.0, 1), (0.95, 3)])
def test_below_the_goal_there_are_more_rounds(goal, rounds, monkeypatch):
    import scale_rates

    fleet, speeds, done = SimpleNamespace(members=["a", "b"]), iter(range(1, 100)), []
    monkeypatch.setattr(scale_rates, "run", lambda *_, **__: "local")
    monkeypatch.setattr(scale_rates, "run_on_ray", lambda _, fleet, *__, **___: len(fleet.members))
    monkeypatch.setattr(scale_rates, "rate", lambda found, count: done.append((found, count)) or next(speeds))
    sources = dict.fromkeys("abcd")
    found = scale_rates.measured(None, fleet, None, sources, 1, 2, 1, goal)
    # By turns, two workers with twice the items; of each the best.
    assert done == [("local", 2), (1, 2), (2, 4)] * rounds
    assert found == scale_rates.Rates(*range(3 * rounds - 2, 3 * rounds + 1))
    assert fleet.members == ["a", "b"]


def test_each_file_is_another_one(tmp_path):
    import scale_rates

    paths = scale_rates.files(tmp_path, 300, 100).values()
    contents = {path.read_bytes() for path in paths}
    assert len(contents) == 300
    assert {len(content) for content in contents} == {100}
    assert list(scale_rates.files(tmp_path, 2, 100).values()) == list(paths)[:2]


def test_the_worker_that_sleeps_does_all_items_of_two_parts_at_once(tmp_path, monkeypatch):
    from asleep.task import waiting
    from asleep.worker import Asleep

    monkeypatch.setattr(threads, "_share", [])
    worker = Asleep(None, 1, None)
    assert worker.open().name == "null"
    assert worker.take(1e-3) > 0
    task = waiting(1e-3, 1e-3, 5)
    sources = {f"{number}": tmp_path for number in range(40)}

    def done(keys):
        told = list(worker.part(task, {key: sources[key] for key in keys}, None, 4, 2, False))
        return [pair for each in told for pair in each.results]

    with ThreadPoolExecutor(2) as pool:
        results = dict(
            pair for part in pool.map(done, (list(sources)[:23], list(sources)[23:])) for pair in part
        )
    assert results.keys() == sources.keys()
    assert all(np.array_equal(result, np.ones(5, np.uint8)) for result in results.values())


@pytest.mark.full_size
def test_a_small_run_has_every_figure(tmp_path):
    words = (
        "--models",
        "faceboxes",
        "--seconds",
        "0.2",
        "--rounds",
        "1",
        "--pictures",
        "4",
        "--out",
        tmp_path,
    )
    command = [sys.executable, ROOT / "benchmarks" / "scale.py", *words]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=600)
    found = json.loads((tmp_path / "scale.json").read_text())
    # So short a run may not reach its goal; whether it did is what the exit status says.
    assert done.returncode == (0 if found["passed"] else 1), done.stderr
    assert len(found["sleeping"]) == 6
    assert found["network"].keys() == {"FaceBoxes"}
    for rates in (*found["sleeping"].values(), *found["network"].values()):
        assert rates["ratio"] == rates["two"] / (2 * rates["one"])
    assert [cost["items"] for cost in found["items"].values()] == [6000, 6000, 3000]
    assert all(found["alone"].values())
    text = (tmp_path / "scale.md").read_text()
    assert all(f"\n## {part}\n" in text for part in ("Stages that sleep", "A network", "100 machines"))
