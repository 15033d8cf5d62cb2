"""The stand-in trtexec: its printout is read as the real one's is, and it refuses what the real one refuses."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ascend_tools.rehearse import trtexec
from common import rehearsal
from common.npu_tools.trtexec import parse

QUICK = ("--iterations=12", "--duration=0", "--warmUp=0")


@pytest.fixture
def call(capsys, monkeypatch):
    """Call it; return the exit status and what it printed."""

    def run(*words, release=None):
        if release:
            monkeypatch.setenv("REHEARSAL_TRTEXEC", release)
        status = trtexec.main([str(word) for word in words])
        return status, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("release", "version"), [(None, "8.4.1"), ("7", "7.0.0"), ("8", "8.4.1"), ("10", "10.9.0")]
)
def test_the_guides_command(release, version, call, make_onnx):
    words = (f"--onnx={make_onnx()}", "--fp16", "--shapes=image:4x3x4x6", "--threads")
    status, text = call(*words, *QUICK, release=release)
    assert status == 0
    assert rehearsal.NOTE in text.splitlines()
    (run,) = parse(text)
    assert (run.result, run.tensorrt, run.batch_size) == ("PASSED", version, 4)
    assert run.queries == 12
    times = run.times["GPU Compute Time"]
    assert 0 < times["min"] <= times["median"] <= times["p99"] <= times["max"]
    assert times["min"] <= times["mean"] <= times["max"]
    assert run.throughput == pytest.approx(12 / run.walltime_s, rel=1e-3)
    assert run.times["Latency"]["mean"] >= times["mean"]
    assert (release == "10") == ("p90" in times)
    assert (release == "7") == ("H2D Latency" not in run.times)


def test_percentiles_and_averages(call, make_onnx):
    words = (f"--onnx={make_onnx(batch=2)}", "--percentile=50,100", "--avgRuns=5", "--noDataTransfers")
    _, text = call(*words, *QUICK)
    times = parse(text)[0].times
    assert times["GPU Compute Time"]["p50"] <= times["GPU Compute Time"]["max"]
    assert text.count("Average on 5 runs") == 2
    assert text.count("Average on 2 runs") == 1


def test_a_batch_that_is_open_is_1(call, make_onnx):
    status, text = call(f"--onnx={make_onnx()}", *QUICK)
    assert status == 0
    assert "Automatically overriding shape to: 1x3x4x6" in text


@pytest.mark.parametrize("flag", ["--buildOnly", "--skipInference"])
def test_nothing_is_measured_where_that_is_asked(flag, call, make_onnx):
    status, text = call(f"--onnx={make_onnx()}", flag)
    assert status == 0
    assert "Performance summary" not in text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--shape=image:1x3x4x6"], "Unknown option: --shape=image:1x3x4x6"),
        (["--onnx"], "Unknown option: --onnx"),
        (["--fp16=1"], "Unknown option: --fp16=1"),
        (["tiny.onnx"], "Unknown option: tiny.onnx"),
        (["--shapes=picture:1x3x4x6"], 'Cannot find input tensor with name "picture"'),
        (["--shapes=image:1x3x4"], "optimization profile"),
        (["--shapes=image:1x1x4x6"], "optimization profile"),
        (["--shapes=image:0x3x4x6"], "Invalid shapes image:0x3x4x6"),
        (["--shapes=image:1,3,4,6"], "Invalid shapes 3, expected"),
        (["--shapes=image:99999999x3x4x6"], "could not be allocated"),
        (["--iterations=x"], "Invalid value x for option --iterations"),
        (["--percentile=101"], "Invalid value 101 for option --percentile"),
        (["--int8"], "--int8 is not rehearsed"),
        (["--saveEngine=/absent/x.plan"], "Cannot open engine file: /absent/x.plan"),
        (["--loadEngine=absent.plan"], "Error opening engine file: absent.plan"),
        ([f"--loadEngine={__file__}"], "Magic tag does not match"),
        (["--loadInputs=image"], "Invalid input values image, expected name:file"),
        (["--loadInputs=picture:x.bin"], "Cannot find input tensor with name picture"),
        (["--loadInputs=image:absent.bin"], "Cannot open file absent.bin!"),
        ([f"--loadInputs=image:{__file__}"], "Unexpected file size for input file"),
    ],
)
def test_wrong_options_fail(words, reason, call, make_onnx):
    status, text = call(f"--onnx={make_onnx()}", *QUICK, *words)
    assert status == 1
    assert reason in text
    assert parse(text)[-1].result == "FAILED"
    assert "Performance summary" not in text


def test_an_engine_that_is_saved_and_loaded(call, make_onnx, tmp_path):
    engine, shapes = tmp_path / "tiny.plan", "--shapes=image:4x3x4x6"
    assert call(f"--onnx={make_onnx()}", "--fp16", shapes, f"--saveEngine={engine}", *QUICK)[0] == 0
    (tmp_path / "tiny.onnx").unlink()
    status, text = call(f"--loadEngine={engine}", shapes, *QUICK)
    assert status == 0
    (run,) = parse(text)
    assert (run.result, run.batch_size, run.queries) == ("PASSED", 4, 12)


def test_inputs_from_a_file(call, make_onnx, tmp_path):
    np.zeros((4, 3, 4, 6), np.float32).tofile(tmp_path / "image.bin")
    words = (
        f"--onnx={make_onnx()}",
        "--shapes=image:4x3x4x6",
        f"--loadInputs='image':{tmp_path / 'image.bin'}",
    )
    assert call(*words, *QUICK)[0] == 0


def test_a_static_model_takes_no_shapes(call, make_onnx):
    status, text = call(f"--onnx={make_onnx(batch=2)}", "--shapes=image:2x3x4x6", *QUICK)
    assert status == 1
    assert "Static model does not take explicit shapes" in text


def test_a_model_that_cannot_be_read_fails(call, make_onnx, tmp_path):
    (tmp_path / "rubbish.onnx").write_bytes(b"rubbish")
    model = onnx.load(make_onnx())
    model.graph.node[0].op_type = "BatchMultiClassNMS"
    onnx.save(model, tmp_path / "atc.onnx")
    for name in ("absent.onnx", "rubbish.onnx", "atc.onnx"):
        status, text = call(f"--onnx={tmp_path / name}", *QUICK)
        assert status == 1
        assert "Failed to parse onnx file" in text
    assert call()[0] == 1


def test_help(call):
    status, text = call("--help")
    assert (status, "--shapes=spec" in text) == (0, True)


def test_an_unknown_generation_is_told(make_onnx, capsys, monkeypatch):
    monkeypatch.setenv("REHEARSAL_TRTEXEC", "9")
    assert trtexec.main([f"--onnx={make_onnx()}"]) == 2
    assert "REHEARSAL_TRTEXEC: expected 7, 8, 10, found '9'" in capsys.readouterr().err
