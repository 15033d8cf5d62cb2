"""evaluation.py: predictions: what is computed, what is stored, what is computed again."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common import cli
from common.backends.several import Several
from common.engine.task import Task
from common.errors import GuideError
from common.evaluation import Subject, origin, predictions
from common.options import parse
from common.timing import Stopwatch
from tests.conftest import refused

pytestmark = pytest.mark.usefixtures("quick_sqlite")


def prepare(path):
    text = path.read_text()
    if text == "broken":
        raise GuideError(f"{path}: damaged.")
    return {"image": np.full(3, int(text), np.float32)}, int(text)


def finish(outputs, number):
    return np.full((number % 3, 2), outputs[1], np.float32)


TASK = Task(prepare, finish)
SPEED = r"7 inputs in [\d.]+ s, [\d.]+ inputs/s; in the network alone [\d.]+ s, [\d.]+ inputs/s\n"


@pytest.fixture
def sources(tmp_path):
    found = {f"name {number}": tmp_path / f"{number}.txt" for number in range(7)}
    for number, path in enumerate(found.values()):
        path.write_text(str(number))
    return found


@pytest.fixture
def predict(tmp_path, doubling, sources):
    """Predict, and return the results and the sizes of the batches that were run."""

    def run(batch_size=None, batch="N", sources=sources, task=TASK, **changed):
        network = doubling(batch)
        for attribute, value in changed.items():
            setattr(network, attribute, value)
        options = parse(cli.parser(None), ["--out", str(tmp_path / "output"), "--workers", "2"], "", "")
        options = replace(options, batch_size=batch_size)
        found = predictions(task, network, sources, options, Stopwatch())
        try:
            return {key: array.tolist() for key, array in found}, network.sizes
        finally:
            run.sizes = network.sizes

    return run


def expected(numbers):
    return {f"name {n}": [[3.0 * n] * 2] * (n % 3) for n in numbers}


@pytest.mark.parametrize(
    ("batch_size", "batch", "sizes"),
    [(None, "N", [1] * 7), (3, "N", [3, 3, 1]), (None, 4, [4, 4]), (3, 4, [4, 4, 4]), (16, "N", [7])],
)
def test_everything_is_predicted_once_in_batches_of_the_size_asked_for_else_the_models_own(
    predict, tmp_path, capsys, batch_size, batch, sizes
):
    first, run = predict(batch_size, batch)
    assert list(first.items()) == list(expected(range(7)).items())
    assert run == sizes
    (path,) = (tmp_path / "output").iterdir()
    assert path.name == "predictions.sqlite"
    out, err = capsys.readouterr()
    assert err == "running 7 inputs ...\n"
    assert re.fullmatch(SPEED, out)
    assert predict(batch_size, batch) == (first, [])
    assert capsys.readouterr().out == f"{path}: 7 of 7 results are there already\n"


@pytest.mark.parametrize(("batch_size", "batch", "size"), [(None, "N", 1), (3, "N", 3), (None, 4, 4)])
def test_the_origin_of_figures_names_the_batch_size_that_was_run(doubling, tmp_path, batch_size, batch, size):
    options = parse(cli.parser(None), ["--out", str(tmp_path)], "", "")
    subject = Subject(tmp_path / "a.onnx", None, "NONE", ())
    found = origin(subject, doubling(batch), replace(options, batch_size=batch_size), tmp_path)
    assert found.batch_size == size


def test_the_networks_seconds_are_those_of_each_device_not_their_sum(doubling, sources, tmp_path, capsys):
    class Slow(doubling):
        def run(self, feeds):
            time.sleep(0.05)
            return super().run(feeds)

    options = parse(cli.parser(None), ["--out", str(tmp_path / "output")], "", "")
    network = Several([Slow(), Slow(), Slow()])
    assert len(list(predictions(TASK, network, sources, options, Stopwatch()))) == 7
    whole, inside = map(float, re.findall(r"([\d.]+) s, ", capsys.readouterr().out))
    assert inside <= whole


def test_an_interrupted_run_goes_on_with_the_batch_it_was_at(predict, sources, capsys):
    sources["name 5"].write_text("broken")
    with refused(f"name 5: {sources['name 5']}: damaged."):
        predict(3)
    sources["name 5"].write_text("5")
    assert predict(3) == (expected(range(7)), [3, 1])
    assert "3 of 7 results are there already\n" in capsys.readouterr().out


def test_only_new_and_changed_pictures_are_computed(predict, sources):
    few = dict(list(sources.items())[:4])
    assert predict(sources=few) == (expected(range(4)), [1] * 4)
    assert predict() == (expected(range(7)), [1] * 3)
    assert predict(sources=few) == (expected(range(4)), [])
    sources["name 2"].write_text("20")
    sources["name 3"].touch()
    found, sizes = predict()
    assert sizes == [1]
    assert found == {**expected(range(7)), "name 2": [[60.0, 60.0]] * 2}
    sources["name 2"].unlink()
    with pytest.raises(FileNotFoundError):
        predict()


@pytest.mark.parametrize(
    "change",
    [
        {"identity": "another"},
        {"name": "onnxruntime CUDAExecutionProvider"},
        {"precision": "float16"},
        {"batch_size": 2},
        {"batch": 4},
    ],
)
def test_results_of_another_network_or_other_settings_are_not_used(predict, tmp_path, capsys, change):
    predict()
    found, sizes = predict(**change)
    assert found == expected(range(7))
    assert sum(sizes) >= 7
    first, second, *more = capsys.readouterr().out.splitlines(keepends=True)
    assert re.fullmatch(SPEED, first)
    path = tmp_path / "output" / "predictions.sqlite"
    assert second == f"{path}: 7 results of another network or other settings are not used\n"
    assert re.fullmatch(SPEED, "".join(more))


def test_results_of_other_code_are_not_used(predict, tmp_path):
    predict()
    namespace = {"np": np}
    source = "def finish(outputs, number):\n    return np.zeros((1, 2), np.float32)\n"
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "task.py").write_text(source)
    exec(compile(source, str(tmp_path / "package" / "task.py"), "exec"), namespace)  # noqa: S102
    found, sizes = predict(task=Task(prepare, namespace["finish"]))
    assert set(map(str, found.values())) == {"[[0.0, 0.0]]"}
    assert len(sizes) == 7


def test_a_larger_batch_than_the_models_own_is_refused_before_anything_is_written(predict, tmp_path):
    with pytest.raises(GuideError, match="the model was built for batches of 4; --batch-size 5 is more"):
        predict(5, 4)
    assert not (tmp_path / "output").exists()


def test_a_damaged_store_is_told_before_anything_is_computed(predict, tmp_path):
    predict()
    path = Path(tmp_path / "output" / "predictions.sqlite")
    path.write_bytes(b"hello")
    with pytest.raises(GuideError, match=r"predictions\.sqlite: not a store of results, or damaged"):
        predict()
    assert predict.sizes == []
