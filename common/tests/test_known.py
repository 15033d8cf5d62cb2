"""compare/known.py: what a sample run has to come to; each of the four is made wrong, and seen."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.compare.known import INPUTS, PARTS, Known, fingerprint, rounded
from common.engine.task import Task
from common.facts import read_facts
from tests.conftest import refused

SIDE = 48
NAMES = ("first", "second", "third")


def picture(name, change=lambda image: image):
    """A smooth picture with some noise, as photographs are, SIDExSIDEx3 uint8."""
    random = np.random.default_rng(NAMES.index(name))
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    waves = [110 + 60 * np.sin((3 + k) * x + 5 * y * (k + 1)) for k in range(3)]
    image = np.stack(waves, axis=2) + random.normal(0, 12, (SIDE, SIDE, 3))
    return change(np.clip(image, 0, 255).astype(np.uint8))


def prepare(name):
    return {"image": picture(name), "size": np.array([SIDE, SIDE], np.float32)}, None


def finish(outputs, _):
    return outputs


TASK = Task(prepare, finish)
ROWS = np.array([[10.0, 200.0, 0.9], [0.0, 3.0, 0.5]])
OUTPUTS = [np.sin(np.arange(4 * 4 * 40.0)).reshape(4, 4, 40), np.cos(np.arange(300.0))]


@pytest.fixture
def facts(write_model):
    return read_facts(write_model())


@pytest.fixture
def known(tmp_path, facts):
    """Known answers as they are recorded."""
    package = tmp_path / "tiny_package"
    package.mkdir()
    made = Known(
        package / "known.json", lambda: {"rows": ROWS}, lambda: {"AP": 0.5, "AP of the truth itself": 1.0}
    )
    made.path.write_text(json.dumps(made.record(TASK, facts, sources(), OUTPUTS)))
    return made


def sources(count=3):
    return {name: name for name in NAMES[:count]}


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("first", [OUTPUTS, None])
def test_what_is_as_recorded_is_fine(known, facts, count, first):
    assert known.problems(TASK, facts, sources(count), first) == ()
    content = json.loads(known.path.read_text())
    assert list(content["inputs"]) == [
        "first, image",
        "second, image",
    ]  # two pictures, and no input of a few values
    assert list(content["outputs"]) == ["scaled", "sums"]
    assert content["made with"]["numpy"] == np.__version__


def test_a_limit_may_bring_another_second_picture_but_no_other_first_one(known, facts):
    assert known.problems(TASK, facts, {name: name for name in ("first", "third")}, OUTPUTS) == ()
    (problem,) = known.problems(TASK, facts, {"third": "third"}, OUTPUTS)
    assert "'third, image' is not among the recorded first, image, second, image" in problem


def brighter(image):
    return np.clip(image.astype(int) + 1, 0, 255)


FAULTS = {
    "swapped channels": lambda image: image[..., ::-1],
    "mean": brighter,
    "scale": lambda image: image * 1.01,
    "shifted right": lambda image: np.roll(image, 1, axis=1),
    "shifted down": lambda image: np.roll(image, 1, axis=0),
    "mirrored": lambda image: image[:, ::-1],
    "smoothed": lambda image: (image.astype(float) + np.roll(image, 1, axis=1)) / 2,
    "one value for all": lambda image: np.full_like(image, 120),
    "NaN": lambda image: np.where(image == 130, np.nan, image),
    "channels first": lambda image: image.transpose(2, 0, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_another_preprocessing_is_seen_whatever_the_layout(known, facts, fault, axes):
    def other(change):
        return Task(lambda name: ({"image": picture(name, change).transpose(axes)}, None), finish)

    known.path.write_text(json.dumps(known.record(other(np.asarray), facts, sources(), OUTPUTS)))
    assert known.problems(other(np.asarray), facts, sources(), OUTPUTS) == ()
    (problem,) = known.problems(other(FAULTS[fault]), facts, sources(), OUTPUTS)
    assert problem.startswith("known inputs: input 'first, image' has another ")
    assert ": expected " in problem
    assert problem.endswith(". Look at tiny_package/preprocessing.py, task.py or sample.py.")


@given(seed=st.integers(0, 100))
def test_another_jpeg_library_is_accepted(seed):
    """One moves a few values by one."""
    image = picture("first").astype(int)
    noise = np.random.default_rng(seed).choice([-1, 0, 0, 0, 0, 0, 0, 0, 0, 1], image.shape)
    spread, *numbers = fingerprint(image)
    off = np.abs(
        fingerprint(np.tile(image + noise, (8, 8, 1)))[1:] - fingerprint(np.tile(image, (8, 8, 1)))[1:]
    )
    assert (off.reshape(-1, 3) <= INPUTS * spread).all()
    assert len(numbers) == PARTS * 3 * 3


def test_another_network_or_aipp_is_seen_where_the_weights_are_seeded(known, facts):
    other = [OUTPUTS[0], OUTPUTS[1] * 1.05]
    (problem,) = known.problems(TASK, facts, sources(), other)
    assert problem.startswith("known outputs: output of torch, 'sums' has another ")
    assert problem.endswith(". Look at tiny_package/network.py, or the AIPP file.")
    assert known.problems(TASK, facts, sources(), None) == ()  # other weights
    swapped = {name: name for name in NAMES[1:]}
    assert not any(
        "outputs" in each for each in known.problems(TASK, facts, swapped, other)
    )  # another first picture


def test_only_a_part_of_the_outputs_can_be_recorded(known, facts):
    ordered = replace(known, outputs=lambda outputs: [np.sort(each.ravel()) for each in outputs])
    known.path.write_text(json.dumps(ordered.record(TASK, facts, sources(), OUTPUTS)))
    assert ordered.problems(TASK, facts, sources(), [each[::-1] for each in OUTPUTS]) == ()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS * (1, 1.001, 1), "'rows' in row 1, column 2: expected 200, found 200.2"),
        (ROWS + np.array([0, 0, 0.01]), "'rows' in row 1, column 3: expected 0.9, found 0.91"),
        (ROWS[:1], "'rows': expected the shape (2, 3), found (1, 3)"),
        (ROWS[::-1], "'rows' in row 1, column 1: expected 10, found 0"),
        (ROWS * np.nan, "'rows' in row 1, column 1: expected 10, found nan"),
    ],
)
def test_another_postprocessing_is_seen(known, facts, rows, message):
    (problem,) = replace(known, results=lambda: {"rows": rows}).problems(TASK, facts, sources(), OUTPUTS)
    assert problem == (
        f"known results: result of made-up outputs, {message}. Look at tiny_package/postprocessing.py or task.py."
    )


def test_rounding_of_results_is_accepted(known, facts):
    close = replace(known, results=lambda: {"rows": ROWS * (1 + 5e-5)})
    assert close.problems(TASK, facts, sources(), OUTPUTS) == ()


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"AP": 0.5, "AP of the truth itself": 0.9}, ", 'AP of the truth itself': expected 1, found 0.9"),
        ({"AP": 0.501, "AP of the truth itself": 1.0}, ", 'AP': expected 0.5, found 0.501"),
        ({"AP": 0.5}, ": expected AP, AP of the truth itself, found AP"),
    ],
)
def test_another_metric_is_seen(known, facts, figures, message):
    (problem,) = replace(known, figures=lambda: figures).problems(TASK, facts, sources(), OUTPUTS)
    assert (
        problem == f"known figures: figure of made-up predictions{message}. Look at tiny_package/metric.py."
    )


def test_each_of_the_four_is_told_and_what_it_was_recorded_with(known, facts):
    content = json.loads(known.path.read_text())
    content["made with"]["numpy"] = "1.0"
    known.path.write_text(json.dumps(content))
    wrong = replace(
        known, results=lambda: {"rows": -ROWS}, figures=lambda: {"AP": 0.0, "AP of the truth itself": 0.0}
    )
    task = Task(lambda name: ({"image": picture(name, brighter)}, None), finish)
    problems = wrong.problems(task, facts, sources(), [-each for each in OUTPUTS])
    assert [each.split(":")[0] for each in problems] == [
        f"known {k}" for k in ("inputs", "outputs", "results", "figures")
    ]
    assert all(each.endswith(" (recorded with numpy 1.0).") for each in problems)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[" * 5000])
def test_a_damaged_file_is_told(known, facts, content):
    if content is None:
        known.path.unlink()
    else:
        known.path.write_bytes(content)
    with refused(f"{known.path}: no", whole=False):
        known.problems(TASK, facts, sources(), OUTPUTS)


def test_numbers_are_rounded_to_six_digits():
    assert rounded(np.array([[1 / 3, 123456.789], [0, -2e-9 / 3]])) == [
        [0.333333, 123457.0],
        [0, -6.66667e-10],
    ]
