"""evaluation.py: the arguments of an evaluate.py and the network it takes; a network here is any object."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from common import cli
from common.errors import GuideError
from common.evaluation import SEEDED, load_network, parse, subject_of
from common.facts import read_facts

CONTENT = bytes(range(250)) * 4
URLS = ('"https://example.org/tiny.pth"', "")  # no source: nothing is asked of any server


def arguments(*words):
    return parse(cli.parser("Measure."), words, "The data set as packed", "detections.txt, results.txt")


def test_without_arguments_the_sample_is_measured_with_everything_the_published_one():
    assert vars(arguments()) == {
        "checkpoint": None,
        "model": None,
        "data": None,
        "backend": None,
        "limit": None,
        "out": Path("output"),
        "batch_size": None,
        "workers": os.cpu_count(),
    }


def test_every_argument_is_taken():
    words = "--model m.onnx --data d --backend onnxruntime --limit 9 --out o --batch-size 4 --workers 2"
    assert vars(arguments(*words.split())) == {
        "checkpoint": None,
        "model": Path("m.onnx"),
        "data": Path("d"),
        "backend": "onnxruntime",
        "limit": 9,
        "out": Path("o"),
        "batch_size": 4,
        "workers": 2,
    }


def test_an_argument_of_the_models_own_is_parsed_too():
    parser = cli.parser("Measure.")
    parser.add_argument("--own")
    assert parse(parser, ["--own", "x"], "", "").own == "x"


@pytest.mark.parametrize(
    "used", ["--checkpoint c --model m", "--checkpoint c --data d", "--model m --data d"]
)
def test_a_checkpoint_is_exported_or_compared_with(used):
    arguments(*used.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--checkpoint c --model m --data d",
            "--checkpoint beside --model is for comparing without --data",
        ),
        ("--backend abacus", "argument --backend: invalid choice: 'abacus'"),
        ("--limit 0", "argument --limit: expected a whole number of at least 1, got '0'"),
        ("--limit all", "argument --limit: expected a whole number of at least 1, got 'all'"),
    ],
)
def test_wrong_usage_is_told(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        arguments(*words.split())
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_help_says_what_the_data_is_and_what_is_written(capsys):
    with pytest.raises(SystemExit):
        arguments("--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert "The data set as packed (default: sample pictures)." in printed
    assert (
        "ONNX file, detections.txt, results.txt, metrics.json and the sample pictures (default: output)."
        in printed
    )


@pytest.fixture
def published(write_model):
    """The model of a directory whose checkpoint has no source to be downloaded from."""
    model = read_facts(write_model(('"00"', f'"{hashlib.sha256(CONTENT).hexdigest()}"'), URLS))

    def load(folder, path=None):
        return load_network(
            SimpleNamespace(checkpoint=path), model, folder, lambda file: ("loaded", file), lambda: "seeded"
        )

    return load


def test_the_checkpoint_that_was_named_is_loaded_whatever_is_published(tmp_path, published, capsys):
    path = tmp_path / "own.pth"
    assert published(tmp_path / "lost", path) == (("loaded", path), None)
    assert capsys.readouterr() == ("", "")


def test_the_published_checkpoint_is_loaded_where_it_is_there(tmp_path, published, capsys):
    path = tmp_path / "weights" / "tiny.pth"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert published(tmp_path) == (("loaded", path), None)
    assert capsys.readouterr() == ("", "")


def test_without_any_checkpoint_seeded_weights_are_announced(tmp_path, published, capsys):
    assert published(tmp_path) == ("seeded", SEEDED)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("WARNING: could not download tiny.pth:")
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in err.splitlines()[-1]


def test_a_checkpoint_without_a_published_hash_is_replaced_by_seeded_weights(tmp_path, write_model, capsys):
    model = read_facts(write_model(('sha256 = "00"', "")))
    found = load_network(
        SimpleNamespace(checkpoint=None), model, tmp_path, lambda file: file, lambda: "seeded"
    )
    assert found == ("seeded", SEEDED)
    assert "https://example.org/tiny.pth: not downloaded, for no hash" in capsys.readouterr().err


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[::-1]])
def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(tmp_path, published, content):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tiny.pth").write_bytes(content)
    with pytest.raises(GuideError, match="tiny.pth: expected "):
        published(tmp_path)


def test_a_checkpoint_that_cannot_be_loaded_is_not_replaced_by_seeded_weights(tmp_path, write_model):
    def load(path):
        raise GuideError(f"{path}: not a Tiny checkpoint.")

    options = SimpleNamespace(checkpoint=tmp_path / "own.pth")
    with pytest.raises(GuideError, match="own.pth: not a Tiny checkpoint"):
        load_network(options, read_facts(write_model()), tmp_path, load, lambda: "seeded")


def subject(tmp_path, *words, made_up=None):
    calls = []

    def load():
        calls.append("load")
        return "network", made_up

    def export(network):
        calls.append(f"export {network}")
        return tmp_path / "new.onnx"

    return subject_of(arguments(*words), load, export, "sample pictures"), calls


@pytest.mark.parametrize(
    ("words", "onnx", "network", "why", "calls"),
    [
        ("", "new.onnx", "network", "sample pictures", ["load", "export network"]),
        ("--data d", "new.onnx", "network", None, ["load", "export network"]),
        ("--model m.onnx", "m.onnx", "network", "sample pictures", ["load"]),
        ("--model m.onnx --data d", "m.onnx", None, None, []),
    ],
)
def test_only_what_is_needed_is_loaded_and_exported(words, onnx, network, why, calls, tmp_path, capsys):
    found, called = subject(tmp_path, *words.split())
    assert found.onnx.name == onnx
    assert (found.network, found.why_not_comparable, called) == (network, why, calls)
    assert found.seconds >= 0
    assert (f"{tmp_path / 'new.onnx'}: exported" in capsys.readouterr().out) == ("export network" in calls)


def test_made_up_weights_are_a_reason_of_their_own(tmp_path):
    assert subject(tmp_path, "--data", "d", made_up=SEEDED)[0].why_not_comparable == SEEDED
    assert subject(tmp_path, made_up=SEEDED)[0].why_not_comparable == f"sample pictures; {SEEDED}"
