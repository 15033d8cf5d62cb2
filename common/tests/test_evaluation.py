"""evaluation.py: the arguments of an evaluate.py, and the network it takes; a network here is any object."""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import pytest

from common import cli
from common.errors import GuideError
from common.evaluation import SEEDED, Options, parse, subject
from common.facts import read_facts
from common.timing import Stopwatch

CONTENT = bytes(range(250)) * 4
URLS = ('"https://example.org/tiny.pth"', "")  # no source: nothing is asked of any server


def arguments(*words):
    return parse(cli.parser("Measure."), words, "The data set as packed", "detections.txt, results.txt")


def test_without_arguments_the_sample_is_measured_with_everything_the_published_one():
    found = arguments()
    assert found == Options(
        checkpoint=None,
        onnx=None,
        data=None,
        backend=None,
        limit=None,
        out=Path("output"),
        batch_size=None,
        workers=os.cpu_count(),
        own=found.own,
    )


def test_every_argument_is_taken():
    words = "--model m.onnx --data d --backend onnxruntime --limit 9 --out o --batch-size 4 --workers 2"
    found = arguments(*words.split())
    assert found == Options(
        checkpoint=None,
        onnx=Path("m.onnx"),
        data=Path("d"),
        backend="onnxruntime",
        limit=9,
        out=Path("o"),
        batch_size=4,
        workers=2,
        own=found.own,
    )
    assert arguments("--checkpoint", "c.pth").checkpoint == Path("c.pth")


def test_an_argument_of_the_models_own_is_parsed_too():
    parser = cli.parser("Measure.")
    parser.add_argument("--own")
    assert parse(parser, ["--own", "x"], "", "").own.own == "x"


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
        "ONNX file, detections.txt, results.txt, metrics.json, the sample pictures, and predictions.sqlite, "
        "with which an interrupted run goes on (default: output)."
    ) in printed


@pytest.fixture
def facts(write_model):
    """A model whose checkpoint has no source to be downloaded from."""
    return read_facts(write_model(('"00"', f'"{hashlib.sha256(CONTENT).hexdigest()}"'), URLS))


@pytest.fixture
def take(tmp_path, facts):
    """Take the subject that the words ask for; return it, and what was called."""

    def run(*words, facts=facts, load=None):
        calls, watch = [], Stopwatch()

        def load_any(checkpoint):
            calls.append(f"load {checkpoint and checkpoint.name}")
            return load(checkpoint) if load else f"network of {checkpoint and checkpoint.name}"

        def export_to(out, network, facts):
            calls.append(f"export {network} to {out}")
            return out / facts.onnx

        found = subject(
            arguments(*words),
            facts,
            tmp_path,
            load=load_any,
            export_to=export_to,
            sample="sample pictures",
            watch=watch,
        )
        assert ("export" in watch.seconds) == bool(calls)
        return found, calls

    return run


@pytest.fixture
def published(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tiny.pth").write_bytes(CONTENT)
    return tmp_path / "weights" / "tiny.pth"


@pytest.mark.parametrize(
    ("words", "onnx", "network", "dataset", "caveats", "calls"),
    [
        (
            "",
            "output/tiny.onnx",
            "network of tiny.pth",
            "sample pictures",
            ("sample pictures",),
            ["load tiny.pth", "export network of tiny.pth to output"],
        ),
        (
            "--data d --out o",
            "o/tiny.onnx",
            None,
            "NONE",
            (),
            ["load tiny.pth", "export network of tiny.pth to o"],
        ),
        (
            "--checkpoint own.pth",
            "output/tiny.onnx",
            "network of own.pth",
            "sample pictures",
            ("sample pictures",),
            ["load own.pth", "export network of own.pth to output"],
        ),
        (
            "--model m.onnx",
            "m.onnx",
            "network of tiny.pth",
            "sample pictures",
            ("sample pictures",),
            ["load tiny.pth"],
        ),
        (
            "--model m.onnx --checkpoint own.pth",
            "m.onnx",
            "network of own.pth",
            "sample pictures",
            ("sample pictures",),
            ["load own.pth"],
        ),
        ("--model m.onnx --data d", "m.onnx", None, "NONE", (), []),
    ],
)
@pytest.mark.usefixtures("published")
def test_only_what_is_needed_is_loaded_and_exported(
    take, words, onnx, network, dataset, caveats, calls, capsys
):
    found, called = take(*words.split())
    assert (found.onnx, found.network, found.dataset) == (Path(onnx), network, dataset)
    assert (found.caveats, called) == (caveats, calls)
    out, err = capsys.readouterr()
    assert out == (f"{onnx}: exported\n" if len(calls) == 2 else "")
    assert err == ""


def test_the_checkpoint_that_was_named_is_loaded_whatever_is_published(take, capsys):
    assert take("--checkpoint", "own.pth")[1][0] == "load own.pth"
    assert capsys.readouterr().err == ""


def test_without_any_checkpoint_seeded_weights_are_announced(take, capsys):
    found, calls = take()
    assert calls == ["load None", "export network of None to output"]
    assert found.caveats == ("sample pictures", SEEDED)
    err = capsys.readouterr().err
    assert err.startswith("WARNING: could not download tiny.pth:")
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in err.splitlines()[-1]
    assert take("--data", "d")[0].caveats == (SEEDED,)


def test_a_checkpoint_without_a_published_hash_is_replaced_by_seeded_weights(take, write_model, capsys):
    found, _ = take("--data", "d", facts=read_facts(write_model(('sha256 = "00"', ""))))
    assert found.caveats == (SEEDED,)
    assert "https://example.org/tiny.pth: not downloaded, for no hash" in capsys.readouterr().err


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[::-1]])
def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(take, published, content):
    published.write_bytes(content)
    with pytest.raises(GuideError, match="tiny.pth: expected "):
        take()


def test_a_checkpoint_that_cannot_be_loaded_is_not_replaced_by_seeded_weights(take):
    def load(path):
        raise GuideError(f"{path}: not a Tiny checkpoint.")

    with pytest.raises(GuideError, match="own.pth: not a Tiny checkpoint"):
        take("--checkpoint", "own.pth", load=load)


def test_options_hold_what_was_parsed_and_cannot_be_changed():
    found = arguments()
    assert isinstance(found.own, argparse.Namespace)
    with pytest.raises(AttributeError):
        found.limit = 3
