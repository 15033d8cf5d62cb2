"""compare/nodes.py: the node that is planted, and no other, is where both sides part and what adds most."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import onnx
import pytest

from ascend_tools.compare import parts as cut
from ascend_tools.compare import run
from ascend_tools.compare.__main__ import main
from ascend_tools.compare.nodes import Apart, first_apart, most_added
from ascend_tools.compare.sides import HALF, Against
from ascend_tools.preflight.node_by_node import NodeByNode
from common.graph.outline import load
from tests import compare_graphs as planted

CHIPS = {"Ascend310P3": True, "Ascend910B4": False}


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Write a planted network and its inputs, compare it, and return compare.json."""
    monkeypatch.chdir(tmp_path)
    planted.write_inputs(tmp_path / "prep")

    def compare(kind, *words, against="float16-emulated", batch="N"):
        planted.write_planted(tmp_path / "net.onnx", kind, batch)
        words = ["--model", "net.onnx", "--input", "prep", "--against", against, "--nodes", *words]
        assert main(words) == 0
        return json.loads((tmp_path / "compare" / "compare.json").read_text())

    return compare


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("kind", sorted(set(planted.GRAPHS) - {"nothing", "gate", "blown"}))
def test_what_is_planted_is_named_and_nothing_else(command, kind, chip):
    found = command(kind, "--soc-version", chip)["nodes"]
    assert found["part"] == found["add"] == ["planted"]
    node = next(each for each in found["all"] if each["node"] == "planted")
    if kind in ("overflow", "sum"):
        left = node["saturated"] if CHIPS[chip] else node["infinite"] + node["nan"]
        assert left > 0
        assert (node["apart"] is None) == (not CHIPS[chip])  # infinite
    else:
        assert (node["saturated"], node["infinite"], node["nan"]) == (0, 0, 0)


def test_a_node_is_not_blamed_for_rounding_what_was_blown_up_before_it(command):
    found = command("blown", "--soc-version", "Ascend310P3")["nodes"]
    assert (found["part"], sorted(found["add"])) == (["planted"], ["cancels", "planted"])
    own = {each["node"]: each["own"] for each in found["all"]}
    assert 0 < own["after"] < 2 * HALF


def test_where_nothing_is_planted_nothing_is_named(command, capsys):
    found = command("nothing")["nodes"]
    assert (found["part"], found["add"], found["not_compared"]) == ([], [], {})
    assert found["bound"] == 64 * HALF
    assert [each["node"] for each in found["all"]] == ["first", "middle", "after", "last"]
    assert all(0 < each["apart"] < 4 * HALF for each in found["all"])
    assert "4 nodes: none is off, or adds, more than that; the furthest off is " in capsys.readouterr().out


def test_a_gate_whose_own_spread_is_lost_is_not_named_where_nothing_feels_it(command):
    found = command("gate")
    assert (found["nodes"]["part"], found["nodes"]["add"]) == ([], [])
    assert found["outputs"]["y"]["largest_relative"] < 0.01


def test_a_smaller_multiple_names_more_and_what_adds_most_is_shown_all_the_same(command, capsys):
    found = command("nothing", "--multiple", "1")["nodes"]
    assert found["bound"] == HALF
    assert (found["part"], found["add"]) == (["after"], [])
    assert "\nthe nodes that add most, none of them more than the bound:\n" in capsys.readouterr().out


@pytest.mark.parametrize("batch", ["N", 3])
def test_batches_give_the_same_figures(command, batch):
    one = command("offset")["nodes"]["all"]
    many = command("offset", "--limit", "3", "--batch-size", "3", batch=batch)["nodes"]["all"]
    three = command("offset", "--limit", "3")["nodes"]["all"]
    assert one[1]["apart"] != three[1]["apart"]
    for ours, theirs in zip(many, three, strict=True):
        assert ours["apart"] == pytest.approx(theirs["apart"], rel=1e-9)
        assert ours["adds"] == pytest.approx(theirs["adds"], rel=1e-9)


def test_parts_of_any_size_give_the_same_figures(tmp_path):
    paths = planted.write_inputs(tmp_path / "prep")
    planted.write_planted(tmp_path / "net.onnx", "cancel")
    against = Against("float16-emulated")
    (tmp_path / ".nodes-of-a-killed-run").mkdir()
    whole, single = (
        run.nodes(tmp_path / "net.onnx", against, paths, 1, tmp_path, most=most) for most in (2**20, 1)
    )
    assert whole == single
    assert list(tmp_path.glob(".nodes-*")) == []  # nothing is left behind


def test_a_part_holds_no_more_than_asked_but_for_a_single_node(tmp_path):
    planted.write_planted(tmp_path / "net.onnx", "cancel")
    graph = NodeByNode(load(tmp_path / "net.onnx"))
    tensors = cut.tensors_of(graph, ["image"], {"image": np.ones((1, 3, 4, 6), np.float32)})
    size = 72 * 4
    assert [(tensor.name, tensor.bytes, tensor.of_data) for tensor in tensors.values()] == [
        (name, size, True) for name in "abcy"
    ]
    names = [[tensor.name for tensor in part.tensors] for part in cut.parts(graph, tensors, 2 * size)]
    assert names == [["a", "b"], ["a", "b", "c"], ["c", "y"]]
    assert [part.nodes for part in cut.parts(graph, tensors, 10 * size, at_once=3)] == [(0, 1, 2), (3,)]


def test_what_is_known_before_the_network_runs_is_not_measured(tmp_path):
    text = """<ir_version: 7, opset_import: ["" : 11]> g (float[N,4] image) => (float[N,4] y) <float two = {2.0}>
    { a = Mul(two, two) s = Shape(image) [cast] f = Cast<to = 1>(s) [scale] b = Mul(image, a) [whole] i = Cast<to = 7>(b)
      [last] y = Cast<to = 1>(i) }"""
    model = onnx.parser.parse_model(text)
    graph = NodeByNode(model)
    tensors = cut.tensors_of(graph, ["image"], {"image": np.ones((2, 4), np.float32)})
    assert [graph.nodes[index].name for index in cut.measured(graph, tensors)] == ["scale", "last"]
    part = cut.with_outputs(model, [tensors["b"]])
    assert [node.output[0] for node in part.graph.node] == ["a", "b"]
    onnx.checker.check_model(part)


NODE = Apart(3, "n", "Add", "y", 8, 1.0, 0.1, 0.5, 0.1, 0.2, 0.4, 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "adds"),
    [
        ({}, 0.2 + 0.3),
        ({"passed": 0.15}, 0.2),  # less than twice as much is how a node bends what it is given
        ({"before": math.inf, "passed": math.inf}, 0.2),
        ({"own": math.inf}, math.inf),
        ({"own": None, "passed": None}, 0.4),
        ({"own": None, "passed": None, "before": 0.4}, 0.0),
    ],
)
def test_a_node_adds_its_own_error_and_what_it_makes_of_others(changes, adds):
    assert replace(NODE, **changes).adds == pytest.approx(adds)


def test_the_first_are_those_whose_inputs_are_within_the_bound_and_the_most_come_first():
    first, later = NODE, replace(NODE, index=4, node="m", before=0.5, own=0.7, passed=0.5)
    assert first_apart([first, later], 0.3) == [first]
    assert most_added([first, later], 0.3) == [later, first]
    assert most_added([first, later], 0.6) == [later]


def test_a_node_that_takes_other_indices_is_told_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = """<ir_version: 7, opset_import: ["" : 11]> g (float[N,72] image) => (float[N,4] y)
    <int64[1] four = {4}, int64[2] row = {1, 72}, float much = {4000.0}, float[1,72] other = {%s}>
    { [offset] a = Add(image, much) [best] v, i = TopK(a, four) e = Add(other, image) [taken] y = GatherElements<axis = 1>(e, i) }"""
    text = text % ",".join(str(float(number)) for number in np.random.default_rng(4).permutation(72))
    onnx.save(onnx.parser.parse_model(text), "net.onnx")
    planted.write_inputs(tmp_path / "prep")
    assert main(["--model", "net.onnx", "--input", "prep", "--against", "float16-emulated", "--nodes"]) == 0
    found = json.loads((tmp_path / "compare" / "compare.json").read_text())["nodes"]
    assert {each["node"]: each["selects"] for each in found["all"]}["taken"]
    assert not any(each["selects"] for each in found["all"] if each["node"] != "taken")
    (line, *_) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("taken "))
    assert line.endswith("  takes other indices")
