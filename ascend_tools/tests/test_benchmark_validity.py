"""Each fault of a measurement is made, and is told in words and numbers; a quiet machine is VALID."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ascend_tools.benchmark.figures import figure
from ascend_tools.benchmark.measurements import Load, Process
from ascend_tools.benchmark.validity import judge
from tests.quiet_rounds import CPU, QUIET, outputs, pure, rounds, with_loads


def judged(measured, found=None):
    rates = figure([each.pure.images / each.pure.seconds for each in measured])
    streams = [each.end_to_end for each in measured if each.end_to_end]
    whole = figure([each.images / each.seconds for each in streams]) if streams else None
    return judge(measured, rates, whole, found or outputs())


def with_load(count=5, of=None, **changes):
    """Five rounds, of which the last `of` have another load."""
    bad = replace(QUIET, **changes)
    disturbed = count if of is None else of
    return with_loads(rounds(count=count), [QUIET] * (count - disturbed) + [bad] * disturbed)


def test_a_quiet_machine_is_valid():
    found = judged(rounds())
    assert (str(found), found.reasons, found.notes) == ("VALID", (), ())


def test_a_machine_that_tells_nothing_is_valid_with_a_note():
    blind = Load(seconds=2.0, cores=2, own=4.0)
    found = judged(rounds(load=blind))
    assert str(found) == "VALID"
    assert found.notes == ("this machine does not tell what else uses its CPU",)


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (rounds(count=1), "too few samples: 1 round, 3 at least are needed"),
        (rounds(count=2), "too few samples: 2 rounds, 3 at least are needed"),
        (rounds(calls=1), "too few samples: 5 calls in all, 10 at least are needed; raise --seconds"),
        (
            rounds(distinct=1),
            "the inputs did not change: every call got the same batch; name more pictures with --data",
        ),
    ],
)
def test_samples_and_inputs(measured, reason):
    found = judged(measured)
    assert str(found) == "INVALID"
    assert reason in found.reasons


def test_a_tool_that_makes_its_own_inputs_is_no_fault():
    measured = [replace(each, pure=replace(pure(distinct=1), calls_ms=(), count=500)) for each in rounds()]
    assert str(judged(measured)) == "VALID"


def test_noise():
    measured = rounds()
    measured[4] = replace(measured[4], pure=pure(55.0))
    (reason,) = judged(measured).reasons
    assert (
        reason == "noise: pure inference ±46%, at most 40% is accepted; the rounds go from 55 to 101 images/s"
    )


LIMITED = (
    "throttling: the container's limit of 2 cores stopped the processes in 45% of its periods; give them as many CPUs: "
    "taskset -c 0-1"
)
BUSY = {"own": 4.0, "others": 4.0, "busiest": Process(4711, "stress", 3.9)}


@pytest.mark.parametrize("of", [2, 3, 5])
def test_another_process_from_the_middle_on(of):
    found = judged(with_load(of=of, **BUSY))
    assert str(found) == "INVALID"
    assert found.reasons[0] == (
        "another process: others took 2 of 4 cores, all of which were at work; most of it stress (process 4711) "
        f"(pure inference, {of} of 5 rounds)"
    )


def test_what_disturbs_a_single_round_is_noted():
    found = judged(with_load(of=1, **BUSY))
    assert str(found) == "VALID"
    assert len(found.notes) == 2
    assert "1 of 5 rounds" in found.notes[0]


@pytest.mark.parametrize(
    ("cores", "own", "others", "valid"),
    [
        (2, 2.6, 1.3, False),  # one spinning process beside two threads
        (2, 2.0, 2.0, False),
        (2, 3.9, 0.06, True),  # the machine's own doings
        (2, 1.0, 1.0, True),  # a core's worth was idle
        (4, 6.2, 1.8, False),
        (16, 30.5, 1.4, False),
        (64, 126.0, 1.9, False),
        (64, 126.0, 0.4, True),  # what a server with many cores does for itself
        (64, 8.0, 40.0, True),  # a shared host, most of whose cores are idle
        (64, 60.0, 60.0, False),
        (8, 16.0, 0.1, True),  # two threads of each core are at work
    ],
)
def test_a_busy_machine_is_one_whose_cores_are_full(cores, own, others, valid):
    """CPU seconds in two seconds."""
    load = Load(seconds=2.0, cores=cores, own=own, others=others)
    assert (str(judged(rounds(load=load))) == "VALID") is valid


@pytest.mark.parametrize("changes", [{"others": 0.06}, {"steal": 0.06}])
def test_a_short_measurement_counts_in_steps(changes):
    load = Load(seconds=0.3, cores=2, own=0.55, **changes)
    assert str(judged(rounds(load=load))) == "VALID"


def test_who_took_little_is_not_named():
    found = judged(with_load(own=4.0, others=4.0, busiest=Process(1, "init", 0.1)))
    assert "init" not in found.reasons[0]


def test_others_in_the_same_container():
    limited = {"cores": 32, "limit": 2.0, "own": 2.5, "inside": 1.5, "others": 20.0}
    found = judged(with_load(**limited))
    assert found.reasons[0].startswith(
        "another process in this container took 0.75 of its 2 cores, which were used up"
    )
    assert str(judged(with_load(**{**limited, "inside": 0.02}))) == "VALID"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steal": 1.2}, "throttling: the host gave 13% of the CPU time to other virtual machines (steal)"),
        ({"hot": 0.5}, "throttling: the CPU was slowed down for its heat, 25% of the time"),
        (
            {"limit": 2.0, "periods": 20, "held_back": 9},
            LIMITED,
        ),
    ],
)
def test_throttling(changes, words):
    found = judged(with_load(**changes))
    assert str(found) == "INVALID"
    assert found.reasons[0] == f"{words} (pure inference, 5 of 5 rounds)"
    assert str(judged(with_load(of=1, **changes))) == "VALID"


def slowing(count, slow, devices=1):
    """Rounds of which some have calls that take the longer the later they are; noise between rounds tells nothing of it."""
    times = tuple(10.0 + 0.5 * number for number in range(30))
    measured = rounds(count=count)
    return [
        replace(
            each,
            candidate=replace(each.candidate, devices=devices),
            pure=replace(each.pure, calls_ms=times if number < slow else (17.25,) * 30),
        )
        for number, each in enumerate(measured)
    ]


def test_calls_that_take_longer_and_longer():
    found = judged(slowing(5, 5))
    words = "throttling: calls became slower within a round, from 12.25 to 22.25 ms (pure inference, 5 of 5 rounds)"
    assert (str(found), found.reasons) == ("INVALID", (words,))
    assert str(judged(slowing(5, 2))) == "VALID"
    # The calls of one device follow those of the other.
    assert str(judged(slowing(5, 5, devices=2))) == "VALID"


def test_a_clock_that_falls():
    loads = [replace(QUIET, clock_mhz=clock) for clock in (3500.0, 3480.0, 3500.0, 1200.0, 1300.0)]
    found = judged(with_loads(rounds(), loads))
    assert (
        found.reasons[0]
        == "throttling: the CPU's clock fell from 3500 to 1200 MHz (pure inference, 2 of 5 rounds)"
    )


def test_a_limit_that_is_reached_end_to_end_alone_is_no_fault():
    """There more threads than cores are at work at any time; the limit is what the machine is."""
    held = replace(QUIET, limit=2.0, periods=20, held_back=19)
    measured = [replace(each, end_to_end=replace(each.end_to_end, load=held)) for each in rounds()]
    assert str(judged(measured)) == "VALID"


def test_a_device_in_use():
    measured = with_load(of=1, device=("python3 (process 51234) on device 0",))
    assert judged(measured).reasons == (
        "the device was in use by others: python3 (process 51234) on device 0",
    )


def test_outputs():
    assert judged(rounds(), outputs(ok=False, words="output 'a' differs by 3")).reasons == (
        "outputs differ: output 'a' differs by 3",
    )
    found = judged(rounds(), outputs(ok=None, words="not compared: no reference"))
    assert (str(found), found.notes) == ("VALID", ("outputs not compared: no reference",))


def test_what_a_reader_has_to_know_comes_from_the_backend():
    candidate = replace(CPU, notes=("its inputs do not change",))
    assert judged(rounds(candidate)).notes == ("its inputs do not change",)
