"""What benchmarks/inference.py makes of what it measured: the operations it counts, and whom ours is compared with."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ascend_tools.benchmark.measurements import Outputs
from common.errors import GuideError
from common.facts import read_facts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield
    for name in ("floor", *(module for module in sys.modules if module.startswith("inference_"))):
        sys.modules.pop(name, None)


def saved(path, nodes, weights, shape):
    tensors = [numpy_helper.from_array(np.ones(sides, np.float32), name) for name, sides in weights.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "network", [image], [result], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


@pytest.mark.parametrize("batch_size", [1, 3])
def test_operations_are_two_for_each_multiply_add(tmp_path, batch_size):
    import floor

    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ConvTranspose", ["a", "w2"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "w3"], ["d"], transB=1),
        helper.make_node("MatMul", ["d", "w4"], ["result"]),
    ]
    weights = {"w1": (6, 2, 3, 3), "w2": (6, 5, 2, 2), "w3": (7, 5 * 6 * 5), "w4": (7, 9)}
    path = saved(tmp_path / "n.onnx", nodes, weights, ["N", 4, 10, 8])
    convolution = 6 * 5 * 4 * (2 * 3 * 3)
    transposed = 6 * 5 * 4 * (5 * 2 * 2)
    products = 5 * 6 * 5 * 7 + 7 * 9
    assert floor.operations(path, batch_size) == 2 * batch_size * (convolution + transposed + products)


def test_a_size_that_is_not_known_is_no_floor(tmp_path):
    import floor

    nodes = [helper.make_node("Conv", ["image", "w"], ["result"], name="first")]
    path = saved(tmp_path / "n.onnx", nodes, {"w": (1, 3, 3, 3)}, ["N", 3, "H", "W"])
    with pytest.raises(GuideError, match="operations of 'first' cannot be counted"):
        floor.operations(path, 1)


def run(rates, wrong=()):
    """Return a run of one network: images per second of each way in each round, with its precision."""
    from inference_child import Result
    from inference_page import Network, Peak, Run

    network = Network("pcb", read_facts(ROOT / "pcb"), Path("PCB.onnx"), 1, 10**9)
    for way, (precision, *each) in rates.items():
        network.rounds[way] = {k: Result(rate=rate, precision=precision) for k, rate in enumerate(each)}
        network.outputs[way] = Outputs(
            way, "CPU", precision, 1, way not in wrong, "far off" if way in wrong else ""
        )
    return Run("bfloat16", {}, [network], {"float32": Peak(100e9, "numpy")}), network


OURS, REDUCED = "--backend auto", "--backend auto --precision bfloat16"
RATES = {
    OURS: ("float32", 10, 12),
    REDUCED: ("bfloat16", 19, 17),
    "ONNX Runtime": ("float32", 8, 8),
    "OpenVINO": ("bfloat16", 20, 20),
}


def test_each_precision_is_compared_with_itself_and_ratios_are_of_one_round():
    from inference_page import verdicts

    first, second, third = verdicts(*run(RATES))
    assert first.startswith(
        "float32: ours (--backend auto): 1.38 (1.25 to 1.50) times the best of the others in float32"
    )
    assert first.endswith("ONNX Runtime in float32: PASS")
    assert second.startswith("bfloat16: ours")
    assert second.endswith("OpenVINO in bfloat16: behind by 10 %")
    assert third.startswith("whatever the precision: ours in bfloat16")
    assert third.endswith("behind by 10 %")


def test_what_is_as_fast_in_some_round_is_as_fast_within_the_noise():
    from inference_page import verdicts

    assert verdicts(*run(RATES | {REDUCED: ("bfloat16", 18, 20)}))[1].endswith("PASS within the noise")


def test_what_is_wrong_is_compared_with_nobody_and_named():
    from inference_page import text, verdicts

    measured, network = run(RATES, wrong=["OpenVINO", REDUCED])
    assert [line.partition(":")[0] for line in verdicts(measured, network)] == [
        "float32",
        "whatever the precision",
    ]
    assert "OpenVINO" not in "".join(verdicts(measured, network))
    assert "- WRONG: OpenVINO: far off" in text(measured)


def test_the_share_of_the_floor_is_of_the_peak_in_the_same_precision():
    from inference_page import text

    lines = text(run(RATES)[0]).splitlines()
    shares = {
        line.split("|")[1].strip(): line.split("|")[5].strip()
        for line in lines
        if line.startswith("| ") and "PASS" not in line
    }
    assert (shares[f"ours, {OURS}"], shares["ONNX Runtime"], shares["OpenVINO"]) == ("11 %", "8 %", "?")
