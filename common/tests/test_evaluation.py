"""evaluation.py: the arguments of an evaluate.py, and the network it takes; a network here is any object."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from common import cli
from common.backends.deployed import Runtime
from common.compare.ended import told_last, unscored
from common.errors import GuideError
from common.evaluation import SEEDED_CAVEAT, STAND_IN, subject
from common.facts import read_facts
from common.options import Options, parse
from common.timing import Stopwatch
from tests.conftest import refused, wrong_usage

CONTENT = bytes(range(250)) * 4
HASH = hashlib.sha256(CONTENT).hexdigest()
URLS = ('"https://example.org/tiny.pth"', "")  # no source: nothing is asked of any server


@pytest.fixture(autouse=True)
def named(tmp_path, monkeypatch):
    """The files that arguments name; others are refused."""
    monkeypatch.chdir(tmp_path)
    for name in ("own.pth", "other.pth", "m.onnx", "c", "m"):
        Path(name).touch()


def arguments(*words):
    return parse(cli.parser("Measure."), words, "The data set as packed", "detections.txt, results.txt")


def test_without_arguments_the_sample_is_measured_with_everything_the_published_one():
    found = arguments()
    assert found == Options(None, None, None, Runtime(), None, Path("output"), None, None, found.own, None)


def test_every_argument_is_taken_those_of_the_models_own_too():
    parser = cli.parser("Measure.")
    parser.add_argument("--own")
    words = "--model m.onnx --data d --backend onnxruntime --provider cpu --limit 9 --out o --batch-size 4 --workers 2 --own x"
    found = parse(parser, words.split(), "", "")
    assert found == Options(
        None, Path("m.onnx"), Path("d"), Runtime("onnxruntime"), 9, Path("o"), 4, 2, found.own, None
    )
    assert found.own.own == "x"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--checkpoint c --model m --data d", "--checkpoint beside --model is for comparing without --data"),
        ("--backend abacus", "argument --backend: invalid choice: 'abacus'"),
        (
            "--provider gpu",
            "argument --provider: expected cpu, cuda, tensorrt, cann or a name of ONNX Runtime's",
        ),
        (
            "--sha256 00",
            "argument --sha256: expected 64 hexadecimal digits, as sha256sum prints them, got '00'",
        ),
        (
            f"--model m --data d --sha256 {HASH}",
            "--sha256 is of a checkpoint, and --model with --data takes none",
        ),
        ("--limit 0", "argument --limit: expected a whole number of at least 1, got '0'"),
        ("--limit all", "argument --limit: expected a whole number of at least 1, got 'all'"),
    ],
)
def test_wrong_usage_is_told(words, message, capsys):
    with wrong_usage(capsys, message):
        arguments(*words.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--checkpoint absent.pth",
            "absent.pth: no such checkpoint; section 3.1 of the README says where to get it. Where none is named, the published one is taken.",
        ),
        (
            "--checkpoint .",
            ".: expected a checkpoint, found a directory or another thing that is no file. Where none is named, the published one is taken.",
        ),
        (
            "--model absent.onnx",
            "absent.onnx: no such model file. Make it as the README's section 3 says.",
        ),
        ("--model absent.om", "absent.om: no such model file. Make it with python -m common.atc."),
        ("--model .", ".: no such model file. Make it as the README's section 3 says."),
    ],
)
def test_a_mistyped_name_is_told_before_anything_is_done(words, message):
    with refused(message):
        arguments(*words.split())


def test_a_provider_that_this_onnx_runtime_has_not_is_told_before_anything_is_done():
    with refused("this onnxruntime (", whole=False):
        arguments("--provider", "RknpuExecutionProvider")


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

    def run(*words, facts=facts, export_to=None):
        calls, watch = [], Stopwatch()

        def load(checkpoint):
            name = checkpoint and checkpoint.name
            calls.append(f"load {name}")
            if name == "other.pth":
                raise GuideError(f"{checkpoint}: not a Tiny checkpoint.")
            return f"network of {name}"

        def only_name(out, network, facts):
            calls.append(f"export {network} to {out}")
            return out / facts.onnx

        found = subject(
            arguments(*words),
            facts,
            tmp_path,
            load=load,
            export_to=export_to or only_name,
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
    ("words", "loaded", "exported"),
    [
        ("", "tiny.pth", "output"),
        ("--data d --out o", "tiny.pth", "o"),
        ("--checkpoint own.pth", "own.pth", "output"),
        ("--checkpoint own.pth --data d", "own.pth", "output"),
        ("--model m.onnx", "tiny.pth", None),
        ("--model m.onnx --checkpoint own.pth", "own.pth", None),
        ("--model m.onnx --data d", None, None),
    ],
)
@pytest.mark.usefixtures("published")
def test_only_what_is_needed_is_loaded_and_exported(take, words, loaded, exported, capsys):
    found, calls = take(*words.split())
    assert found.model == Path(f"{exported}/tiny.onnx" if exported else "m.onnx")
    assert calls == [
        *([f"load {loaded}"] if loaded else []),
        *([f"export network of {loaded} to {exported}"] if exported else []),
    ]
    if "--data" in words:
        assert (found.network, found.dataset, found.caveats) == (None, "NONE", ())
    else:
        assert found.network == f"network of {loaded}"  # to be compared with
        assert (found.dataset, found.caveats) == ("sample pictures", ("sample pictures",))
    out, err = capsys.readouterr()
    assert out == (f"{exported}/tiny.onnx: exported\n" if exported else "")
    assert bool(err) == bool(loaded)
    assert re.fullmatch(rf"(starting torch, reading .*{loaded} \.\.\.\n)?", err)


@pytest.mark.usefixtures("published")
def test_a_part_of_the_sample_is_called_one(take):
    found, _ = take("--model", "m.onnx", "--limit", "3")
    part = "sample pictures, with --limit 3"
    assert (found.dataset, found.caveats) == (part, (part,))


def test_without_any_checkpoint_seeded_weights_are_announced(take, capsys):
    assert take("--checkpoint", "own.pth")[1][0] == "load own.pth"
    assert capsys.readouterr().err == "starting torch, reading own.pth ...\n"
    found, calls = take()
    assert calls == ["load None", "export network of None to output"]
    assert found.caveats == ("sample pictures", SEEDED_CAVEAT)
    assert found.seeded
    assert found.weights == "seeded"
    assert capsys.readouterr().err == f"{STAND_IN}\nstarting torch, drawing weights ...\n"
    assert take("--data", "d")[0].caveats == (SEEDED_CAVEAT,)


def test_a_checkpoint_without_a_published_hash_is_replaced_by_seeded_weights(take, write_model, capsys):
    found, _ = take("--data", "d", facts=read_facts(write_model(('sha256 = "00"', ""))))
    assert found.caveats == (SEEDED_CAVEAT,)
    assert "https://example.org/tiny.pth: not downloaded, for no hash" in capsys.readouterr().err


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[::-1]])
def test_a_damaged_published_checkpoint_is_not_replaced_by_seeded_weights(take, published, content):
    published.write_bytes(content)
    with pytest.raises(GuideError, match="tiny.pth: expected "):
        take()


def test_a_checkpoint_that_cannot_be_loaded_is_not_replaced_by_seeded_weights(take):
    with pytest.raises(GuideError, match="other.pth: not a Tiny checkpoint"):
        take("--checkpoint", "other.pth")


@pytest.mark.usefixtures("published")
def test_the_published_checkpoint_is_held_to_the_hash_that_its_user_knows(take):
    assert take("--sha256", HASH.upper())[1][0] == "load tiny.pth"
    with pytest.raises(
        GuideError, match=f"tiny.pth: expected sha256 {'0' * 64}, which --sha256 says, found {HASH}"
    ):
        take("--sha256", "0" * 64)


def test_a_checkpoint_that_its_user_knows_is_not_replaced_by_seeded_weights(take):
    with pytest.raises(GuideError, match="could not download tiny.pth"):
        take("--sha256", HASH)


def test_an_error_in_a_run_on_sample_pictures_is_the_last_line_and_written_first(facts, tmp_path, capsys):
    message = "name 0: output 'sums' holds values that are not finite. Convert it again."
    with refused(message), told_last(tmp_path / "out", facts, is_sample=True):
        raise GuideError(message)
    report = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (report["verdict"], report["metrics"]) == ("not comparable", {})
    assert report["agreement"] == {"verdict": "FAIL", "why": message}
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Tiny: export and deployment agree with torch: FAIL: name 0: output 'sums' holds values that are not finite"
    )


def test_an_error_in_a_run_on_a_data_set_is_no_disagreement(facts, tmp_path, capsys):
    with refused("wrong."), told_last(tmp_path / "out", facts, is_sample=False):
        raise GuideError("wrong.")
    assert not (tmp_path / "out" / "metrics.json").exists()
    assert capsys.readouterr().out == ""


def test_an_export_that_fails_is_the_last_line_too(take, capsys):
    def refuse(out, network, facts):
        raise GuideError("output 'sums' differs from torch by 1. The export is not kept.")

    with refused("output 'sums' differs", whole=False):
        take(export_to=refuse)
    assert capsys.readouterr().out.splitlines()[-1].endswith("FAIL: output 'sums' differs from torch by 1")


def test_what_is_not_scored_has_no_figure():
    assert (unscored(7).metrics, unscored(7).pictures, unscored(7).text) == ({}, 7, "")
