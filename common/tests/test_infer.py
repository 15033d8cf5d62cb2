"""infer.py: results like the benchmark tool's, complete or absent, and a run that goes on where it was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest

from common import files
from common.backends.deployed import open_model
from common.engine import result_files, stream
from common.engine.result_files import infer
from common.infer import main
from tests.conftest import wrong_usage

PRINTED = """\
-----------------Performance Summary------------------
[e2e] throughputRate: #, latency: #
[data read] throughputRate: #, moduleLatency: #
[preprocess] throughputRate: #, moduleLatency: #
[infer] throughputRate: #, Interface throughputRate: #, moduleLatency: #
[post] throughputRate: #, moduleLatency: #
-----------------------------------------------------------
result/perf_vision_batchsize_#_device_#.txt: performance of # inputs
result/dumpOutput_device0: results of # inputs
"""


@pytest.fixture
def arguments(tmp_path, monkeypatch, make_onnx):
    """The words of a plain run in tmp_path; options that are given again replace these."""
    monkeypatch.chdir(tmp_path)
    return ["--model", make_onnx().name, "--input", "prep", "--out", "result"]


def results(out):
    return {path.name: path.read_bytes() for path in sorted((out / "dumpOutput_device0").iterdir())}


def expected(images, bias=0):
    found = {}
    for stem, image in images.items():
        found[f"{stem}_1.bin"] = (2 * image.astype(np.float32) + np.float32(bias)).tobytes()
        found[f"{stem}_2.bin"] = image.sum((1, 2), dtype=np.float32).tobytes()
    return found


def wait_for_the_clock(out):
    """Return when a file written now is newer than all results: the clocks of file systems are coarse."""
    newest, probe = max(mtimes(out).values()), out.parent / "probe"
    probe.touch()
    while probe.stat().st_mtime_ns <= newest:
        probe.write_bytes(b"")


def mtimes(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "dumpOutput_device0").iterdir()}


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("options", [[], ["--batch-size", "3"], ["--batch-size", "99"]])
def test_every_input_gets_every_output_in_a_file_of_its_own(
    tmp_path, arguments, make_inputs, listed, options, capsys
):
    images = make_inputs(7)
    if listed:
        lines = [f"{i} prep/{stem}.bin 6 4\n" for i, stem in enumerate(reversed(images))]
        (tmp_path / "list.info").write_text("".join(lines))
        options = [*options, "--input", "list.info"]
    assert main([*arguments, *options]) == 0
    assert results(tmp_path / "result") == expected(images)
    size = options[1] if options[:1] == ["--batch-size"] else "1"
    perf = tmp_path / "result" / f"perf_vision_batchsize_{size}_device_0.txt"
    others = ["dumpOutput_device0", "infer.json", "performance.json"]
    assert sorted(p.name for p in perf.parent.iterdir()) == sorted([*others, perf.name])
    printed = capsys.readouterr()
    assert printed.out.startswith(perf.read_text())
    assert printed.out.endswith("result/dumpOutput_device0: results of 7 inputs\n")
    assert printed.err == ""


def test_the_command_as_a_program(tmp_path, arguments, make_inputs):
    images = make_inputs(3)
    command = [sys.executable, "-m", "common.infer", *arguments, "--batch-size", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert results(tmp_path / "result") == expected(images)
    assert re.sub(r"(?<![a-z])\d+(\.\d+)?(e[+-]\d+)?", "#", done.stdout) == PRINTED
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("batch", "size", "sizes"),
    [("N", None, [1] * 7), ("N", 3, [3, 3, 1]), ("N", 99, [7]), (4, None, [4, 3]), (4, 3, [3, 3, 1])],
)
def test_the_model_is_called_with_batches_of_the_size_asked_for_else_its_own(
    tmp_path, arguments, monkeypatch, make_onnx, make_inputs, batch, size, sizes
):
    images, called, feed = make_inputs(7), [], stream.feed
    make_onnx(batch=batch)
    monkeypatch.setattr(
        stream, "feed", lambda model, feeds: called.append(len(feeds["image"])) or feed(model, feeds)
    )
    assert main([*arguments, *(["--batch-size", str(size)] if size else [])]) == 0
    assert sorted(called, reverse=True) == sizes  # several at the same time
    assert results(tmp_path / "result") == expected(images)


def test_every_stage_is_timed(tmp_path, make_onnx, make_inputs):
    make_inputs(5)
    parts = []
    with open_model(make_onnx()) as deployed:
        infer(deployed, sorted((tmp_path / "prep").iterdir()), tmp_path / "result", 2, "bin", parts.append)
    (part,), seconds = parts, parts[0].seconds
    assert (part.inputs, part.batch_size) == (5, 2)
    assert list(seconds)[-1] == "total"
    assert set(seconds) == {"read", "preprocess", "infer", "post", "total"}
    assert min(seconds.values()) > 0
    assert seconds["infer"] <= seconds["total"]  # one thread's; the others' stages have two
    assert max(seconds["read"], seconds["preprocess"], seconds["post"]) <= 2 * seconds["total"]


def test_calls_at_the_same_time_are_not_timed_as_if_one_followed_the_other(tmp_path, doubling, monkeypatch):
    def stands_in(task, models, sources, *, batch_size, workers, watch):
        for stage, seconds in (("preprocess", 1.0), ("stack", 1.0), ("infer", 6.0), ("postprocess", 1.0)):
            watch.add(stage, seconds)
        yield from dict.fromkeys(sources).items()

    monkeypatch.setattr(result_files, "run", stands_in)
    deployed, parts = doubling(), []
    deployed.models = (deployed,) * 2
    infer(deployed, [tmp_path / f"{number}.bin" for number in range(5)], tmp_path, 2, "bin", parts.append)
    assert parts[0].seconds["infer"] == 3.0


def test_text_results_hold_every_number_of_the_binary_ones_exactly(
    tmp_path, arguments, make_onnx, make_inputs
):
    images = make_inputs(2)
    make_onnx("thirds.onnx", bias=1 / 3)
    assert main([*arguments, "--model", "thirds.onnx", "--output-format", "txt"]) == 0
    found = {name: text.decode("ascii") for name, text in results(tmp_path / "result").items()}
    assert all(text.count("\n") == 1 and text.endswith("\n") for text in found.values())
    arrays = {f"{name[:-4]}.bin": np.array(text.split(), np.float32) for name, text in found.items()}
    assert {name: array.tobytes() for name, array in arrays.items()} == expected(images, bias=1 / 3)


@pytest.mark.parametrize(
    ("options", "with_toml"), [(["--aipp", "aipp.config"], False), ([], True), (["--aipp", "none"], True)]
)
def test_bytes_are_taken_through_the_aipp_file_named_or_that_of_model_toml(
    tmp_path, arguments, make_inputs, write_model, options, with_toml
):
    plain = options[-1:] == ["none"]
    images = make_inputs(2, "float32" if plain else "uint8")
    write_model()
    if not with_toml:
        (tmp_path / "model.toml").unlink()
    assert main([*arguments, *options]) == 0
    if not plain:
        mean = np.array((104, 117, 123), np.float32)
        images = {stem: (image - mean).transpose(2, 0, 1) for stem, image in images.items()}
    assert results(tmp_path / "result") == expected(images)


def test_a_second_run_writes_nothing_again_and_says_so(tmp_path, arguments, make_inputs, capsys):
    make_inputs(4)
    main(arguments)
    before = mtimes(tmp_path / "result")
    capsys.readouterr()
    assert main(arguments) == 0
    assert mtimes(tmp_path / "result") == before
    assert capsys.readouterr().out == (
        "4 of 4 inputs already have their results; going on with the rest\n"
        "result/dumpOutput_device0: results of 4 inputs\n"
    )


def test_a_missing_result_and_an_input_changed_since_are_computed_again(
    tmp_path, arguments, make_inputs, capsys
):
    images = make_inputs(4)
    main(arguments)
    before = mtimes(tmp_path / "result")
    wait_for_the_clock(tmp_path / "result")
    (tmp_path / "result" / "dumpOutput_device0" / "img_01_2.bin").unlink()
    images["img_02"] = images["img_02"][::-1].copy()
    images["img_02"].tofile(tmp_path / "prep" / "img_02.bin")
    assert main(arguments) == 0
    assert results(tmp_path / "result") == expected(images)
    unchanged = {name for name, time_ns in mtimes(tmp_path / "result").items() if before.get(name) == time_ns}
    assert unchanged == {f"img_{i}_{k}.bin" for i in ("00", "03") for k in (1, 2)}
    assert "\n2 of 4 inputs already have their results; going on with the rest\n" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["model", "aipp", "record"])
def test_results_of_another_run_are_computed_again(tmp_path, arguments, make_onnx, make_inputs, change):
    images = make_inputs(3)
    main(arguments)
    wait_for_the_clock(tmp_path / "result")
    record = tmp_path / "result" / "infer.json"
    bias, options = 0, []
    if change == "model":
        bias = 9
        make_onnx(bias=bias)
    elif change == "aipp":
        images = {stem: image.transpose(2, 0, 1) for stem, image in make_inputs(3, "uint8").items()}
        (tmp_path / "neutral").write_text("aipp_op { aipp_mode : static input_format : RGB888_U8 }")
        options = ["--aipp", "neutral"]
    else:
        record.write_text("{ damaged")
    before = mtimes(tmp_path / "result")
    assert main([*arguments, *options]) == 0
    assert results(tmp_path / "result") == expected(images, bias)
    assert all(time_ns > before[name] for name, time_ns in mtimes(tmp_path / "result").items())
    assert json.loads(record.read_text())["backend"] == "onnxruntime"


@pytest.mark.parametrize("kind", ["another folder", "replaced", "renamed", "exchanged"])
def test_other_inputs_of_the_same_names_are_computed_even_if_they_are_older(
    tmp_path, arguments, make_inputs, kind
):
    prep, other, before, after = tmp_path / "prep", tmp_path / "other", "prep", "prep"
    images = make_inputs(2)
    others = {stem: image[::-1].copy() for stem, image in images.items()}
    other.mkdir()
    for stem, image in others.items():
        image.tofile(other / f"{stem}.bin")
        os.utime(other / f"{stem}.bin", ns=(10**18, 10**18))
    if kind == "exchanged":  # each from the folder that the other one came from
        before, after = "a.info", "b.info"
        (tmp_path / before).write_text("0 prep/img_00.bin 6 4\n1 other/img_01.bin 6 4\n")
        (tmp_path / after).write_text("0 other/img_00.bin 6 4\n1 prep/img_01.bin 6 4\n")
        others["img_01"] = images["img_01"]
    assert main([*arguments, "--input", before]) == 0
    wait_for_the_clock(tmp_path / "result")
    if kind == "another folder":
        after = "other"
    elif kind == "replaced":
        for path in other.iterdir():
            path.replace(prep / path.name)
    elif kind == "renamed":
        prep.rename(tmp_path / "old")
        other.rename(prep)
    assert main([*arguments, "--input", after]) == 0
    assert results(tmp_path / "result") == expected(others)


KILLED = """
import os, signal, sys, time
from common import files, infer
from common.engine import result_files

def write_or_die(path, array, write=result_files.write_array):
    if path.name == "img_25_2.bin":
        with files.staged(path) as temporary:
            temporary.write_bytes(b"half a result")
            while not all((path.parent / name).exists() for name in earlier):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
    write(path, array)

result_files.write_array, earlier = write_or_die, sys.argv[1].split(",")
infer.main(sys.argv[2:])
"""


def test_a_killed_run_is_completed_and_what_it_had_finished_is_kept(tmp_path, arguments, make_inputs):
    images = make_inputs(40)
    folder = tmp_path / "result" / "dumpOutput_device0"
    earlier = {f"img_{i:02}_{k}.bin" for i in range(26) for k in (1, 2)} - {"img_25_2.bin"}
    words = [sys.executable, "-c", KILLED, ",".join(earlier), *arguments, "--batch-size", "4"]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (half,) = (path for path in folder.glob(".*.part.bin") if path.read_bytes() == b"half a result")
    left = {name: data for name, data in results(tmp_path / "result").items() if not name.startswith(".")}
    assert left.items() <= expected(images).items()
    finished = {name for name in left if {f"{name[:6]}_1.bin", f"{name[:6]}_2.bin"} <= left.keys()}
    assert earlier - finished == {"img_25_1.bin"}

    before = mtimes(tmp_path / "result")
    files.remove_leftovers.cache_clear()
    assert main([*arguments, "--batch-size", "4"]) == 0
    assert not half.exists()
    now = {name: data for name, data in results(tmp_path / "result").items() if not name.startswith(".")}
    assert now == expected(images)
    kept = {name for name, time_ns in mtimes(tmp_path / "result").items() if before.get(name) == time_ns}
    assert {name for name in kept if not name.startswith(".")} == finished


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 prep/lost.bin 6 4", "list.info: 1 of 1 inputs do not exist: prep/lost.bin."),
        ("0 prep/a.bin", "list.info:1: expected `index path width height`, found '0 prep/a.bin'"),
        ("0 prep/a.bin 6 4\n1 more/a.bin 6 4", "but these names occur twice: ['a']."),
        ("0 prep/a.bin 6 4\n1 prep/b.bin 6 4", "1 of 2 inputs have another size than the model's input, 288"),
    ],
)
def test_wrong_inputs_are_named_before_anything_is_written(tmp_path, arguments, content, message, capsys):
    for name, size in (("prep/a.bin", 288), ("prep/b.bin", 72), ("more/a.bin", 288)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    (tmp_path / "list.info").write_text(f"{content}\n")
    assert main([*arguments, "--input", "list.info"]) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert printed.out == ""
    assert not (tmp_path / "result").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--input", "lost.info", "lost.info: no such list or directory"),
        ("--input", "empty", "empty: holds no .bin file."),
        ("--model", "lost.onnx", "lost.onnx: no such ONNX file. Make it as the README's section 3 says."),
        ("--model", "tiny.pb", "tiny.pb: expected an .onnx file, or an .om file"),
        ("--model", "fixed.onnx", "the model was built for batches of 4; --batch-size 5 is more."),
        ("--aipp", "lost.config", "lost.config: no such AIPP file."),
        ("--out", "tiny.onnx", "tiny.onnx"),
    ],
)
def test_what_is_missing_or_in_the_way_is_named(
    tmp_path, arguments, make_onnx, make_inputs, option, value, message, capsys
):
    make_inputs(2)
    make_onnx("fixed.onnx", batch=4)
    (tmp_path / "empty").mkdir()
    assert main([*arguments, "--batch-size", "5", option, value]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_a_model_with_two_inputs_is_refused_by_name(tmp_path, arguments, make_inputs, capsys):
    make_inputs(1)
    model = onnx.load(tmp_path / "tiny.onnx")
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, ["N"]))
    onnx.save(model, tmp_path / "tiny.onnx")
    assert main(arguments) == 1
    assert capsys.readouterr().err == "error: tiny.onnx: expected a model with one input, found 2.\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "the following arguments are required: --model, --out"),
        ("--model m --out o", "one of the arguments --input --loop is required"),
        ("--model m --out o --input i --loop 2", "argument --loop: not allowed with argument --input"),
        ("--model m --out o --loop 2 --shard 1/2", "--shard is for --input; --loop runs random input"),
        ("--model m --out o --loop 0", "argument --loop: expected a whole number of at least 1"),
        (
            "--model m --out o --loop 2 --provider gpu",
            "argument --provider: expected cpu, cuda, tensorrt, cann or a",
        ),
        (
            "--model m --out o --loop 2 --provider cpu --cuda",
            "argument --cuda: not allowed with argument --provider",
        ),
        ("--model m --input i --out o --batch-size 0", "argument --batch-size: expected a whole number"),
        ("--model m --input i --out o --output-format npy", "argument --output-format: invalid choice"),
        ("--model m --input i --out o --backend x", "argument --backend: invalid choice"),
        ("--model m --input i --out o --shard 3/2", "argument --shard: expected K/N"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2(words, message, capsys):
    with wrong_usage(capsys, message):
        main(words.split())


def test_results_of_the_other_format_in_the_way_are_refused(tmp_path, arguments, make_inputs, capsys):
    make_inputs(1)
    assert main(arguments) == 0
    assert main([*arguments, "--output-format", "txt"]) == 1
    assert "holds .bin results of an earlier run; remove them" in capsys.readouterr().err
    assert not list((tmp_path / "result").rglob("*.txt.part")) + list((tmp_path / "result").rglob("img*.txt"))


def test_results_of_another_tool_are_not_replaced(tmp_path, arguments, make_inputs, capsys):
    make_inputs(1)
    path = tmp_path / "result" / "dumpOutput_device0" / "img_00_1.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"from the NPU")
    assert main(arguments) == 1
    assert "holds results that another tool made" in capsys.readouterr().err
    assert path.read_bytes() == b"from the NPU"


def performance(text):
    """Return what a run printed of its performance: what it covers, and how many inputs in how many runs."""
    found = re.findall(r"^\[covers\] (.*)$|performance of (.*)$", text, re.MULTILINE)
    return ["".join(either) for either in found]


def test_the_performance_of_a_resumed_run_is_that_of_all_its_parts(tmp_path, arguments, make_inputs, capsys):
    make_inputs(10)
    perf, folder = (
        tmp_path / "result" / name for name in ("perf_vision_batchsize_1_device_0.txt", "dumpOutput_device0")
    )
    assert main(arguments) == 0
    assert performance(capsys.readouterr().out) == ["10 inputs"]
    (folder / "img_03_1.bin").unlink()
    assert main(arguments) == 0
    assert performance(capsys.readouterr().out) == [
        "inputs: 11, runs: 2, results there: 10",
        "11 inputs in 2 runs",
    ]
    written = perf.read_text()
    assert main(arguments) == 0
    assert perf.read_text() == written
    for path in folder.iterdir():
        path.unlink()
    assert main(arguments) == 0
    assert performance(capsys.readouterr().out) == ["10 inputs"]


def test_a_run_that_ends_with_an_error_leaves_the_performance_of_what_it_did(
    tmp_path, arguments, make_inputs, capsys
):
    make_inputs(6)
    good = (tmp_path / "prep" / "img_04.bin").read_bytes()
    nan = np.full(3 * 4 * 6, np.nan, np.float32).tobytes()
    (tmp_path / "prep" / "img_04.bin").write_bytes(nan)
    assert main(arguments) == 1
    assert performance(capsys.readouterr().out)[-1] == "4 inputs"  # another thread may have written the next
    (tmp_path / "prep" / "img_04.bin").write_bytes(good)
    assert main(arguments) == 0
    covers, inputs = performance(capsys.readouterr().out)
    assert inputs in ("5 inputs in 2 runs", "6 inputs in 2 runs")
    assert covers == f"inputs: {inputs[0]}, runs: 2, results there: 6"


def test_shards_into_one_directory_are_parts_of_one_performance(arguments, make_inputs, capsys):
    make_inputs(9)
    for number in (1, 2):
        assert main([*arguments, "--shard", f"{number}/2"]) == 0
    assert performance(capsys.readouterr().out)[-2:] == [
        "inputs: 9, runs: 2, results there: 9",
        "9 inputs in 2 runs",
    ]


def keep_weights_beside(path):
    """Move the weights of a model into the file `weights.bin` beside it."""
    proto = onnx.load(path)
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def test_changed_weights_in_a_file_beside_the_model_make_another_network(
    tmp_path, arguments, make_inputs, capsys
):
    images = make_inputs(3)
    keep_weights_beside(tmp_path / "tiny.onnx")
    assert main(arguments) == 0
    assert results(tmp_path / "result") == expected(images)
    weights = tmp_path / "weights.bin"
    data = np.frombuffer(weights.read_bytes(), np.float32).copy()
    data[np.flatnonzero(data == 0)] = 5  # the bias
    weights.write_bytes(data.tobytes())
    capsys.readouterr()
    assert main(arguments) == 0
    assert "already have their results" not in capsys.readouterr().out
    assert results(tmp_path / "result") == expected(images, bias=5)


@pytest.mark.parametrize("content", ["[]", "[1, 2]", '"sources"', "null", "7", '{"sources": 3}', "[" * 10**5])
def test_a_record_of_another_kind_is_no_record(tmp_path, arguments, make_inputs, content):
    images = make_inputs(2)
    assert main(arguments) == 0
    (tmp_path / "result" / "infer.json").write_text(content)
    assert main(arguments) == 0
    assert results(tmp_path / "result") == expected(images)


def test_a_model_for_a_batch_that_no_memory_holds_is_refused(arguments, make_onnx, make_inputs, capsys):
    make_inputs(1)
    make_onnx(batch=2**31)
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "error: tiny.onnx: the input 'image' has the shape (2147483648, 3, 4, 6), 618475290624 bytes, more than "
        "1073741824; export the model for a smaller batch.\n"
    )


PURE = """\
-----------------PureInfer Performance Summary------------------
[INFO] ave_throughputRate: #samples/s, ave_latency: #ms
----------------------------------------------------------------
[batch] size: 2, runs: 3, seconds: mean #, median #, min #, max #, # % #
[model] tiny.onnx, onnxruntime, float#, random input, first call # s not counted
result/pure_infer_batchsize_#.txt: # calls with # images each, after one to warm up
"""


def test_pure_inference_needs_no_input(tmp_path, arguments, capsys):
    words = [word for word in arguments if word not in ("--input", "prep")]
    assert main([*words, "--loop", "3", "--batch-size", "2"]) == 0
    printed = capsys.readouterr().out
    number = r"\d+(\.\d+)?(e[-+]\d+)?"
    assert re.fullmatch(re.escape(PURE).replace(r"\#", number), printed), printed
    (path,) = (tmp_path / "result").iterdir()
    assert path.name == "pure_infer_batchsize_2.txt"
    assert printed.startswith(path.read_text())


def test_pure_inference_takes_the_models_own_batch_only(arguments, make_onnx, capsys):
    make_onnx(batch=4)
    words = [word for word in arguments if word not in ("--input", "prep")]
    assert main([*words, "--loop", "1", "--batch-size", "2"]) == 1
    assert capsys.readouterr().err == (
        "error: the model was built for batches of 4; it takes no --batch-size 2 here.\n"
    )
    assert main([*words, "--loop", "1"]) == 0
    assert "1 call with 4 images each" in capsys.readouterr().out
