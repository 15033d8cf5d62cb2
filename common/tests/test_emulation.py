"""--precision float16-emulated: what it runs, what it says, what decides about it, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common import cli, infer
from common.backends.base import emulation_of, run_batch
from common.backends.deployed import Runtime, add_backend, chosen_runtime, open_deployed, open_model
from common.backends.emulation import Emulation, modes_for
from common.backends.onnxruntime import OnnxRuntime, open_session
from common.facts import read_facts
from common.graph.aipp import Aipp
from common.graph.float16_modes import Modes
from common.report.figures import Figures, Origin
from common.report.metrics_json import conclude
from tests.conftest import refused, wrong_usage
from tests.slow_half import half

EMULATED = Runtime(precision="float16-emulated")
OF_AN_OM = "--soc-version and --option are for an emulation; an .om file computes as it was made to, see python -m common.atc."
TAKES = "--precision float16-emulated takes --backend onnxruntime, which is the default."


def emulated(*options, soc_version=None):
    return Runtime(precision="float16-emulated", emulation=Emulation(soc_version, options))


def pictures(count=2):
    return {"image": 300 * np.random.default_rng(3).standard_normal((count, 3, 4, 6)).astype(np.float32)}


@pytest.fixture
def folder(tmp_path, monkeypatch, write_model):
    """Stand in a model directory whose options say nothing of AIPP; return what writes others."""
    monkeypatch.chdir(tmp_path)

    def write(options=""):
        return read_facts(write_model(('insert_op_conf = "aipp.config"\n', options)))

    write()
    return write


def test_it_computes_as_an_npu_would_and_says_so(folder, make_onnx, capsys):
    given = pictures()
    with open_model(make_onnx(bias=0.1), EMULATED) as network:
        scaled, sums = run_batch(network, given)
        assert (network.name, network.precision) == ("onnxruntime", "float16-emulated")
        told = emulation_of(network)
    rounded = half(given["image"], saturates=True)
    doubled = half(2 * rounded, saturates=True)
    np.testing.assert_array_equal(
        scaled, half(doubled + half(np.float32(0.1), saturates=True), saturates=True)
    )
    np.testing.assert_allclose(sums, rounded.sum((2, 3)), atol=2)
    assert told == "force_fp16; overflow saturates; 0 of 3 nodes in float32"
    assert capsys.readouterr().out == f"{make_onnx()}: half precision emulated: {told}\n"


def test_the_chip_decides_what_becomes_of_overflow(folder, make_onnx):
    large = {"image": np.full((1, 3, 4, 6), 6e4, np.float32)}
    with open_model(make_onnx(), emulated(soc_version="Ascend310P3")) as network:
        assert [np.unique(each) for each in run_batch(network, large)] == [65504, 65504]
    with open_model(make_onnx(), emulated(soc_version="Ascend910B4")) as network:
        assert all(np.isinf(each).all() for each in network.run(large))
        with refused(
            "output 'scaled' holds values that are not finite. Where float16 overflows, convert with a higher "
            "precision: python -m common.atc --option precision_mode=must_keep_origin_dtype shows whether that is the cause."
        ):
            run_batch(network, large)


def test_options_of_model_toml_count_and_a_users_come_before_them(folder, tmp_path, make_onnx):
    (tmp_path / "own").mkdir()
    for name, operator in (("list.json", "ReduceSumD"), ("own/other.json", "Mul")):
        (tmp_path / name).write_text(json.dumps({"black-list": {"to-add": [operator]}}))
    facts = folder('precision_mode = "allow_mix_precision"\nmodify_mixlist = "list.json"\n')
    told = {
        (): "allow_mix_precision; in float32: ReduceSum; overflow saturates",
        (("modify_mixlist", "own/other.json"),): "allow_mix_precision; in float32: Mul; overflow saturates",
        (("modify_mixlist", ""),): "allow_mix_precision; overflow saturates",
        (("modify_mixlist", ""), ("precision_mode", "")): "force_fp16; overflow saturates",
    }
    for options, words in told.items():
        assert str(modes_for(Emulation(None, options), facts, tmp_path)) == words
        assert str(modes_for(Emulation(None, options), None, tmp_path)) == words
        with open_deployed(make_onnx(), emulated(*options), facts, tmp_path) as network:
            assert emulation_of(network).startswith(words)


def test_networks_that_are_emulated_in_another_way_are_told_apart(folder, make_onnx):
    runtimes = [
        Runtime(),
        EMULATED,
        emulated(("precision_mode", "must_keep_origin_dtype")),
        emulated(soc_version="Ascend910B1"),
    ]
    identities = []
    for runtime in runtimes:
        with open_model(make_onnx(), runtime) as network:
            identities.append(network.identity)
    assert len(set(identities)) == len(runtimes)
    assert len({each.partition(" ")[0] for each in identities}) == 1  # the network's hash


def test_what_tells_them_apart_is_the_same_in_each_process(tmp_path):
    (tmp_path / "keep.cfg").write_text(
        "".join(f"OpType::{name}\n" for name in ("Relu", "Add", "Mul", "Sub", "Exp"))
    )
    program = (
        "from common.graph.float16_modes import modes\n"
        f"print(modes({{'keep_dtype': {str(tmp_path / 'keep.cfg')!r}}}, 'Ascend310'))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def test_bytes_go_through_aipp_in_half_precision(make_onnx):
    given = np.random.default_rng(1).integers(0, 256, (2, 4, 6, 3), np.uint8)
    with OnnxRuntime(make_onnx(), Aipp(mean=(104, 117, 123)), half=Modes()) as network:
        scaled, _ = network.run({"image": given})
    wanted = 2 * (
        given.transpose(0, 3, 1, 2).astype(np.float32) - np.float32([104, 117, 123]).reshape(3, 1, 1)
    )
    np.testing.assert_array_equal(scaled, wanted)  # small whole numbers are exact


def test_an_optimiser_that_changes_the_rounding_is_noticed(make_onnx, monkeypatch):
    path = make_onnx(bias=0.1)
    with OnnxRuntime(path, half=Modes()) as network:
        monkeypatch.setattr(network, "_session", open_session(str(path), path, 2**30))
        with refused(
            f"{path}: output 'scaled' is not in half precision as it is to be: this ONNX Runtime", whole=False
        ):
            network.run(pictures())


def parsed(*words):
    arguments = cli.parser("Run.")
    arguments.add_argument("--model", type=Path)
    add_backend(arguments)
    return chosen_runtime(arguments.parse_args(words))


def test_the_arguments():
    words = "--precision float16-emulated --soc-version Ascend910B4-1 --option precision-mode=fp16 --option keep_dtype=a=b"
    chosen = Emulation("Ascend910B4-1", (("precision_mode", "fp16"), ("keep_dtype", "a=b")))
    assert parsed(*words.split()) == Runtime(precision="float16-emulated", emulation=chosen)
    assert parsed() == Runtime()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--soc-version 310P3", "expected Ascend and the chip's name, as in Ascend310P3, got '310P3'"),
        ("--option log=debug", "expected NAME=VALUE with one of precision_mode, precision_mode_v2,"),
        ("--option precision_mode", "expected NAME=VALUE with one of precision_mode, precision_mode_v2,"),
        ("--precision float16-emulate", "invalid choice: 'float16-emulate'"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(words, message, capsys):
    with wrong_usage(capsys, message):
        parsed(*words.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--soc-version Ascend310", "--soc-version is for --precision float16-emulated; leave it out."),
        ("--option precision_mode=fp16", "--option is for --precision float16-emulated; leave it out."),
        ("--precision float16-emulated --backend openvino", TAKES),
        (
            "--precision float16-emulated --option precision_mode=fp16 --backend om",
            OF_AN_OM,
        ),
        ("--precision float16-emulated --backend auto", TAKES),
        (
            "--precision float16-emulated --cuda",
            "CUDAExecutionProvider computes in float32 here, not in float16-emulated; leave --precision out.",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(words, message):
    with refused(message):
        parsed(*words.split())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"precision_mode": "fp61"}, "--precision_mode: expected one of force_fp16, force_fp32,"),
        ({"keep_dtype": "none.cfg"}, "--keep_dtype: no such file: none.cfg"),
        ({"precision_mode": "fp16", "modify_mixlist": "a"}, "--precision_mode: expected one of"),
        (
            {"modify_mixlist": "a"},
            "--modify_mixlist: needs --precision_mode to be one of allow_mix_precision,",
        ),
    ],
)
def test_options_that_atc_would_not_take_are_refused_as_it_would(folder, options, problem):
    with refused(
        f"--precision float16-emulated: ATC would not take these options:\n  {problem}", whole=False
    ):
        modes_for(Emulation(None, tuple(options.items())), None, Path())


def test_results_on_file_of_another_emulation_are_computed_again(folder, make_onnx, make_inputs, capsys):
    make_inputs(3)
    words = [
        "--model",
        str(make_onnx()),
        "--input",
        "prep",
        "--out",
        "out",
        "--precision",
        "float16-emulated",
    ]
    assert infer.main(words) == 0
    capsys.readouterr()
    assert infer.main(words) == 0
    assert "performance of" not in capsys.readouterr().out
    assert infer.main([*words, "--option", "precision_mode=must_keep_origin_dtype"]) == 0
    assert "performance of 3 inputs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("caveats", "verdict"),
    [((), "PASS (AP 0.8000, published 0.8000; {})"), (("samples",), "not comparable (samples; {})")],
)
def test_a_verdict_is_labelled(tmp_path, write_model, caveats, verdict, capsys):
    origin = Origin("NONE", "onnxruntime", "float16-emulated", {}, caveats)
    assert conclude(tmp_path / "out", read_facts(write_model()), Figures({"AP": 0.8}, 4, ""), origin) == 0
    last = verdict.format("half precision emulated, not measured on an NPU")
    assert capsys.readouterr().out.splitlines()[-1] == f"verdict: {last}"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["precision"] == "float16-emulated"
