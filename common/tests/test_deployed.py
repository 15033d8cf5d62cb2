"""backends/deployed.py: which backend runs a file, and whether it holds the network that model.toml describes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from common import cli
from common.backends import om, providers
from common.backends.base import models_of, run_batch
from common.backends.deployed import Runtime, add_backend, chosen_runtime, open_deployed, open_model
from common.errors import GuideError
from common.export import om_file
from common.facts import Tensor, read_facts
from common.graph.outline import Value
from tests.conftest import refused, wrong_usage
from tests.om_libraries import library, write_om

__all__ = ["library", "write_om"]

FLOAT32_ONLY = (
    "ONNX Runtime computes in float32 on the CPU, not in bfloat16. Take --backend openvino, which has it where the CPU "
    "does, or leave --precision out."
)
SIZE = Tensor("size", ("N", 3), "float32", "added to the sums")


def add_input(path, batch="N"):
    """Give the model a second input, size [batch,3], which is added to the sums."""
    proto = onnx.load(path)
    proto.graph.node[0].output[0] = "channels"
    proto.graph.node.append(helper.make_node("Add", ["channels", "size"], ["sums"]))
    proto.graph.input.append(helper.make_tensor_value_info("size", TensorProto.FLOAT, [batch, 3]))
    onnx.save(proto, path)
    return path


@pytest.fixture
def aipp_less(write_model):
    return write_model(('insert_op_conf = "aipp.config"\n', ""))


@pytest.mark.parametrize("runtime", [None, Runtime(), Runtime("onnxruntime")])
def test_an_onnx_file_runs_with_onnx_runtime(make_onnx, runtime):
    with open_model(make_onnx(), runtime) as network:
        assert network.name == "onnxruntime"
        assert models_of(network) == (network,)


@pytest.mark.parametrize(
    ("name", "runtime", "message"),
    [
        ("m.pt", Runtime(), "m.pt: expected an .onnx file, or an .om file, which runs on the NPU."),
        (
            "m.onnx",
            Runtime("om"),
            "m.onnx: --backend om runs no .onnx file. Make the .om with python -m common.atc --model m.onnx.",
        ),
        (
            "m.om",
            Runtime("onnxruntime"),
            "m.om: --backend onnxruntime runs no .om file. Leave --backend out.",
        ),
        (
            "m.onnx",
            Runtime(devices=(0,)),
            "m.onnx: --device is for an .om file; ONNX Runtime's is chosen by --provider.",
        ),
        (
            "m.om",
            Runtime(provider="CUDAExecutionProvider"),
            "m.om: --provider is for an .onnx file; an .om file runs on the NPU, see --device.",
        ),
        (
            "m.om",
            Runtime("openvino"),
            "m.om: --backend openvino runs no .om file. Leave --backend out.",
        ),
        (
            "m.onnx",
            Runtime("openvino", devices=(0,)),
            "m.onnx: --device is for an .om file; ONNX Runtime's is chosen by --provider.",
        ),
        (
            "m.onnx",
            Runtime("openvino", provider="CUDAExecutionProvider"),
            "m.onnx: --provider is ONNX Runtime's, and --backend openvino runs on the CPU. Leave one of them out.",
        ),
        (
            "m.onnx",
            Runtime(precision="bfloat16"),
            f"m.onnx: {FLOAT32_ONLY}",
        ),
        (
            "m.onnx",
            Runtime(provider="CANNExecutionProvider", precision="float32"),
            "m.onnx: CANNExecutionProvider computes in float16 here, not in float32; leave --precision out.",
        ),
        (
            "m.onnx",
            Runtime(provider="AzureExecutionProvider", precision="float32"),
            "m.onnx: AzureExecutionProvider computes in what it chooses itself, not in float32; leave --precision out.",
        ),
        (
            "m.om",
            Runtime(precision="float16"),
            "m.om: has no record beside it that says what it computes in; leave --precision out.",
        ),
    ],
)
def test_what_contradicts_the_files_suffix_is_refused(name, runtime, message):
    with refused(message):
        open_model(Path(name), runtime)


def chosen(*words):
    arguments = cli.parser("Run.")
    arguments.add_argument("--model", type=Path)
    add_backend(arguments)
    return chosen_runtime(arguments.parse_args(words))


@pytest.mark.parametrize(
    ("words", "provider"),
    [
        ("", "CPUExecutionProvider"),
        ("--provider tensorrt", "TensorrtExecutionProvider"),
        ("--provider AzureExecutionProvider", "AzureExecutionProvider"),
        ("--cuda", "CUDAExecutionProvider"),
    ],
)
def test_a_provider_is_chosen_beside_the_backend(words, provider, monkeypatch):
    monkeypatch.setattr(providers, "check_there", lambda name: None)
    assert chosen(*words.split()) == Runtime(None, provider, ())


@pytest.mark.parametrize(
    ("words", "devices"), [("", ()), ("--device 3", (3,)), ("--device 1,0,2", (1, 0, 2))]
)
def test_devices_are_chosen_by_their_numbers(words, devices, monkeypatch):
    monkeypatch.setattr(om, "check_there", lambda path: None)
    assert chosen("--backend", "om", *words.split()).devices == devices


@pytest.mark.parametrize("text", ["", "0,", "a", "-1", "0,0", "0;1", "1.5", "99999", "\N{SUPERSCRIPT TWO}"])
def test_what_are_no_devices_is_refused(text, capsys):
    with wrong_usage(capsys, f"expected numbers of devices such as 0 or 0,1,2,3, each once, got {text!r}"):
        chosen(f"--device={text}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--precision bfloat16", FLOAT32_ONLY),
        (
            "--backend openvino --cuda",
            "--provider is ONNX Runtime's, and --backend openvino runs on the CPU. ",
        ),
        ("--device 1", "--device is for an .om file; "),
        ("--backend om --cuda", "--provider is for an .onnx file; "),
    ],
)
def test_what_contradicts_itself_is_refused_before_there_is_a_file(words, message):
    with refused(message, whole=False):
        chosen(*words.split())


@pytest.mark.parametrize("words", ["--backend om", "--model a.om", "--backend om --model a.onnx"])
def test_where_no_library_runs_om_files_it_is_told_at_once(words):
    with refused(
        f"{sys.executable}: has neither ais_bench nor acl, one of which runs OM files. ", whole=False
    ):
        chosen(*words.split())


@pytest.mark.parametrize(
    ("mode", "own"),
    [({}, "float16"), ({"precision_mode": "force_fp32"}, "float32")],
    ids=["default", "force_fp32"],
)
def test_an_om_file_computes_in_what_it_was_made_with(monkeypatch, write_model, mode, own):
    record = SimpleNamespace(rehearsal=False, options=mode)
    monkeypatch.setattr(om.om_record, "read", lambda path: record)
    facts = read_facts(write_model())
    facts = msgspec.structs.replace(facts, atc=msgspec.structs.replace(facts.atc, options=mode))
    for asked in (None, own):
        om.check_precision(Path("m.om"), asked)
        om_file.check_precision(facts, Runtime("om", precision=asked))
    with refused(f"m.om: computes in {own}, as it was made to, not in bfloat16. ", whole=False):
        om.check_precision(Path("m.om"), "bfloat16")
    with refused(
        f"--precision bfloat16: with the options in model.toml ATC makes an OM file that computes in {own}. ",
        whole=False,
    ):
        om_file.check_precision(facts, Runtime("om", precision="bfloat16"))


@pytest.mark.parametrize("words", [["--cuda", "--provider", "cpu"], ["--provider", "cann", "--cuda"]])
def test_only_one_provider_is_chosen(words, capsys):
    with wrong_usage(capsys, "not allowed with argument"):
        chosen(*words)


def test_the_network_of_a_model_directory_is_opened_with_its_aipp_file(make_onnx, write_model):
    folder = write_model()
    with open_deployed(make_onnx(), None, read_facts(folder), folder) as network:
        assert network.inputs == (Value("image", "uint8", ("N", 4, 6, 3)),)
        scaled, _ = run_batch(network, {"image": np.full((1, 4, 6, 3), 104, np.uint8)})
    assert scaled[0, 0].tolist() == [[0] * 6] * 4


@pytest.mark.parametrize(("batch", "count"), [("N", 1), ("N", 3), (4, 4), (4, 3), (1, 1)])
def test_a_second_input_is_taken_by_its_name(make_onnx, aipp_less, batch, count):
    path = add_input(make_onnx(batch=batch), batch)
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 4, 6)).astype(np.float32)
    sizes = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
    with open_deployed(path, None, read_facts(aipp_less), aipp_less, [SIZE]) as network:
        assert [value.name for value in network.inputs] == ["image", "size"]
        scaled, sums = run_batch(network, {"size": sizes, "image": images})
    np.testing.assert_array_equal(scaled, 2 * images)
    np.testing.assert_array_equal(sums, images.sum((2, 3)) + sizes)


def test_an_optional_input_may_be_absent(make_onnx, aipp_less):
    with open_deployed(make_onnx(), None, read_facts(aipp_less), aipp_less, [SIZE]) as network:
        assert [value.name for value in network.inputs] == ["image"]


@pytest.mark.parametrize(
    "optional",
    [[], [Tensor("scale", ("N", 3), "float32", "")], [Tensor("size", ("N", 4), "float32", "")]],
    ids=["none", "another name", "another shape"],
)
def test_another_second_input_than_the_known_one_is_refused(make_onnx, aipp_less, optional):
    with pytest.raises(GuideError) as error:
        open_deployed(add_input(make_onnx()), None, read_facts(aipp_less), aipp_less, optional)
    assert str(error.value).startswith(f"{aipp_less / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    assert "('size', (3,), 'float32')" in str(error.value).partition("found")[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sums"', '"loc"'),
        ('"image"', '"input"'),
        ('"N", 3, 4, 6', '"N", 3, 4, 5'),
        ('["N", 3]', '["N", 4]'),
        ('["N", 3]', '["N", 3, 1]'),
        ('["N", 3]\ndtype = "float32"', '["N", 3]\ndtype = "float16"'),
    ],
)
def test_another_network_than_model_toml_describes_is_refused_by_name(make_onnx, write_model, old, new):
    folder = write_model((old, new))
    with pytest.raises(GuideError) as error:
        open_deployed(make_onnx(), None, read_facts(folder), folder)
    assert str(error.value).startswith(f"{folder / 'tiny.onnx'}: not Tiny: expected inputs and outputs [")
    outputs = "('scaled', (3, 4, 6), 'float32'), ('sums', (3,), 'float32')"
    assert str(error.value).endswith(f"found [('image', (4, 6, 3), 'uint8'), {outputs}].")


IMAGE, OUTPUTS = (
    ["image", "uint8", [2, 4, 6, 3]],
    [["Add_9:0:scaled", "float32", [2, 3, 4, 6]], ["7:0", "float32", [2, 3]]],
)


def test_an_om_files_outputs_are_joined_by_position_and_called_as_in_model_toml(
    library, write_om, write_model
):
    library("ais_bench")
    folder = write_model()
    path = write_om(inputs=[IMAGE], outputs=OUTPUTS)
    for runtime in (None, Runtime("om"), Runtime(devices=(1, 0))):
        with open_deployed(path, runtime, read_facts(folder), folder) as network:
            assert network.inputs == (Value("image", "uint8", (2, 4, 6, 3)),)
            assert [value.name for value in network.outputs] == ["scaled", "sums"]
            assert (
                len(models_of(network)) == len(runtime.devices if runtime else ())
                or len(models_of(network)) == 1
            )
            assert len(run_batch(network, {"image": np.ones((2, 4, 6, 3), np.uint8)})) == 2


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([["image", "float32", [2, 3, 4, 6]]], OUTPUTS),  # made without AIPP
        ([IMAGE], OUTPUTS[::-1]),
        ([IMAGE], OUTPUTS[:1]),
        ([IMAGE, ["more", "float32", [2, 3]]], OUTPUTS),
    ],
)
def test_an_om_file_of_another_network_is_refused(library, write_om, write_model, inputs, outputs):
    library("ais_bench")
    folder = write_model()
    path = write_om(inputs=inputs, outputs=outputs)
    with refused(
        f"{path}: not Tiny: expected inputs and outputs [('image', (4, 6, 3), 'uint8'), ", whole=False
    ):
        open_deployed(path, None, read_facts(folder), folder)
