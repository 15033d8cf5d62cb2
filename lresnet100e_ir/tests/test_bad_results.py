"""Results that do not fit the data set: each is told in one message, and nothing is scored."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import postprocess
from tests.conftest import write_results

PLAIN, MIRRORED = "13_1.bin", "13_flip_1.bin"


def empty(results):
    for path in results.iterdir():
        path.unlink()


DAMAGES = {
    "missing": lambda results: (results / PLAIN).unlink(),
    "missing flip": lambda results: (results / MIRRORED).unlink(),
    "extra": lambda results: shutil.copy(results / PLAIN, results / "24_1.bin"),
    "stranger": lambda results: shutil.copy(results / PLAIN, results / "notes.bin"),
    "two outputs": lambda results: shutil.copy(results / PLAIN, results / "13_2.bin"),
    "wrong size": lambda results: (results / MIRRORED).write_bytes(bytes(100)),
    "half size": lambda results: (results / MIRRORED).write_bytes(bytes(1024)),
    "not finite": lambda results: np.full(512, np.nan, np.float32).tofile(results / MIRRORED),
    "both kinds": lambda results: (results / "13_1.txt").write_text("0 " * 512),
    "zero": lambda results: (-np.fromfile(results / PLAIN, np.float32)).tofile(results / MIRRORED),
    "empty": empty,
}


def score(results, data, out):
    return postprocess.main(["--results", str(results), "--data", str(data), "--out", str(out)])


@pytest.fixture
def results(steps, tmp_path):
    return shutil.copytree(steps / "bin" / "dumpOutput_device0", tmp_path / "results")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("missing", "no result for 13 (1 in all)"),
        ("missing flip", "no result for 13_flip (1 in all)"),
        ("extra", "results that belong to no input: 24 (1 in all)"),
        ("stranger", "files that are no `<name>_<k>` result: notes.bin (1 in all)"),
        ("two outputs", "expected 1 outputs per input"),
        ("wrong size", "13_flip_1.bin: expected 2048 bytes (512 float32), found 100"),
        ("half size", "13_flip_1.bin: expected 2048 bytes (512 float32), found 1024. Half the size"),
        ("not finite", "13_flip_1.bin: holds values that are not finite"),
        ("both kinds", "holds both .bin and .txt results; remove one kind"),
        ("zero", "the embedding of face 13 is zero; run the inference again"),
        ("empty", "no result file `<name>_<k>.bin`"),
    ],
)
def test_unfitting_results_are_told_in_one_message(damage, words, steps, results, tmp_path, capsys):
    DAMAGES[damage](results)
    assert score(results, steps / "lfw_list.npy", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert words in message
    assert message.startswith("error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 " * 511, "expected 512 values (512), found 511"),
        ("1 " * 511 + "x", "expected space-separated numbers"),
        ("1 " * 511 + "inf", "holds values that are not finite"),
        ("1 " * 511 + "1e39", "holds values that are not finite"),
    ],
)
def test_unfitting_text_is_told_with_its_file(text, words, steps, tmp_path, capsys):
    results = shutil.copytree(steps / "txt" / "dumpOutput_device0", tmp_path / "results")
    (results / "13_flip_1.txt").write_text(text)
    assert score(results, steps / "lfw_list.npy", tmp_path / "out") == 1
    assert f"{results / '13_flip_1.txt'}: {words}" in capsys.readouterr().err


def test_results_of_fewer_than_ten_pairs_are_told(tmp_path, capsys):
    results = write_results(tmp_path / "results", np.eye(512, dtype=np.float32)[:18])
    np.save(tmp_path / "lfw_list.npy", np.ones(9, bool))
    assert score(results, tmp_path / "lfw_list.npy", tmp_path / "out") == 1
    assert "expected at least 10 pairs, one for each fold, found 9" in capsys.readouterr().err
