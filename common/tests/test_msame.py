"""msame.py: the times that the vendor's msame prints, and what they are worth in images per second."""

from __future__ import annotations

import json

import pytest

from ascend_tools.testing.reference import root
from common.npu_tools.measured import Measurement, read
from common.npu_tools.msame import Run, calls, parse
from tests.conftest import refused

LOOPED = """\
[INFO] open device 2 success
[INFO] load model tiny.om success
Inference time: 31.5ms
[INFO] output data success
Inference average time: 21.250000 ms
Inference average time without first time: 20.500000 ms
[INFO] Execute sample success.
"""
FILES = """\
[INFO] load model tiny.om success
[INFO] start to process file:prep/a.bin
Inference time: 3.5ms
Inference average time : 3.50 ms
"""


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        (LOOPED, [Run(21.25, 20.5, 2, pure=True)]),
        (LOOPED.replace("\n", "\r\n"), [Run(21.25, 20.5, 2, pure=True)]),
        (LOOPED[LOOPED.index("Inference average") :], [Run(21.25, 20.5)]),
        (FILES, [Run(3.5)]),
        (LOOPED + FILES, [Run(21.25, 20.5, 2, pure=True), Run(3.5, None, 2)]),
        ("Inference average time without first time: 3 ms\n", []),
        ("Inference average time: nan ms\n", []),
        ("", []),
    ],
)
def test_the_times_of_each_run_are_read(text, runs):
    assert parse(text) == runs


def test_single_batches_and_the_name_of_the_model_are_read():
    first, second = parse(LOOPED.replace("tiny.om", "tiny_bs8.om") + FILES)
    assert (first.batch_size, first.calls, second.batch_size, second.calls) == (8, [31.5], None, [3.5])
    assert calls(LOOPED[: LOOPED.index("Inference average")]) == [31.5]
    command = './msame --model "./tiny_bs16.om" --outfmt BIN\n'
    assert parse(command + FILES.replace("tiny.om", "other.om"))[0].batch_size == 16


def test_a_file_says_images_per_second_by_the_batch_size_in_its_name(tmp_path):
    path = tmp_path / "msame_batchsize_4_device_2.txt"
    path.write_text(LOOPED)
    assert read(path) == [Measurement("msame", None, 20.5, 4, 2, pure=True)]
    path.write_text(LOOPED.replace("20.5", "0.0"))
    with refused(
        f"{path}: expected a mean time of a batch above 0 ms, found 0.0; measure again", whole=False
    ):
        read(path)


def test_the_printout_of_a_real_run_is_read_as_expected(pytestconfig):
    samples = root(pytestconfig) / "ascend" / "samples"
    if not samples.is_dir():
        pytest.skip(f"no printouts of real runs at {samples}; ASCEND_GUIDES_REFERENCE names another place")
    for name, expected in json.loads((samples / "EXPECTED.json").read_text(encoding="utf-8")).items():
        if expected.get("kind") == "msame":
            (run,) = parse((samples / name).read_text(encoding="utf-8"))
            assert run.average_ms == pytest.approx(expected["average_ms"])
            assert run.average_without_first_ms == pytest.approx(expected["average_without_first_ms"])
