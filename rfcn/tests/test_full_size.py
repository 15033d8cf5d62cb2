"""The full-size proof: the real network, exported, against torch and, stage by stage, what the original computed.

Everything else is tested with made-up outputs, with the head alone, or with a twin, a tiny network with the same inputs
and outputs. The published checkpoint cannot be had; the reference's recipe draws weights that take its place.
"""

from __future__ import annotations

import hashlib

import numpy as np
import onnx as onnx_library
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

import evaluate
from ascend_tools.testing.exports import seeded_export
from common.backends.torch import run_torch
from common.graph.outline import describe, load
from rfcn_voc import proposals
from rfcn_voc.network import Body, Head, load_checkpoint
from rfcn_voc.preprocessing import network_input, placement
from rfcn_voc.regions import compare_regions
from rfcn_voc.standard_head import BODY
from tests.conftest import FACTS, HERE, read_json
from tests.heads import check_adapted, head
from tests.heads import run as run_model

pytestmark = pytest.mark.full_size
ALIAS, ITSELF = "RCNN_conv_1x1.weight", "RCNN_conv_new.1.weight"
IMAGE, IM_INFO = ("im_data", "float32", (1, 3, 1344, 1344)), ("im_info", "float32", (1, 3))
OUTPUTS = {"rois": (1, 300, 5), "cls_prob": (1, 300, 21), "bbox_pred": (1, 300, 84)}


def check_outside(model, *inputs):
    """Check a form's operator set, inputs and outputs."""
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [*inputs]
    assert {v.name: v.shape for v in graph.outputs} == OUTPUTS
    assert {v.dtype for v in graph.outputs} == {"float32"}


# Seeded weights, the guide's form


@pytest.fixture(scope="module")
def exported():
    """What evaluate.py exports with seeded weights: the file that runs anywhere, and the one for ATC."""
    return seeded_export(HERE)


def test_the_guides_form_takes_the_picture_alone(exported):
    model = load(exported / FACTS.onnx)
    check_outside(model, IMAGE)
    assert {node.domain for node in model.graph.node} == {""}
    names = [node.name for node in model.graph.node]
    assert len({*names}) == len(names)
    assert sum(node.op_type == "Conv" for node in model.graph.node) > 100


def test_the_file_for_atc_has_its_operators_and_no_int64(exported):
    check_adapted(load(exported / FACTS.onnx), load(exported / str(FACTS.atc.onnx), check=False))


def test_the_network_agrees_with_torch_on_a_picture(exported, tmp_path, monkeypatch, run):
    monkeypatch.setattr(evaluate.evaluation.checkpoint, "published", no_checkpoint)
    done = run("evaluate.py", "--model", exported / FACTS.onnx, "--out", tmp_path, "--limit", 1)
    assert done.returncode == 0, done.stderr
    report = read_json(tmp_path / "metrics.json")
    assert (report["agreement"]["verdict"], report["agreement"]["known answers"]) == ("OK", "OK")
    found = report["metrics"]
    assert found["regions as torch's"] >= 0.9
    assert found["agreement with torch"] >= 0.9
    for tensor in FACTS.outputs:
        assert found[f"largest difference from torch, {tensor.name}"] <= tensor.tolerance
    (objects,) = {line.split()[0] for p in tmp_path.glob("comp4*") for line in p.read_text().splitlines()}
    assert objects == "astronaut"


def no_checkpoint(facts, folder):
    raise evaluate.evaluation.download.UnavailableError("no checkpoint")


# The recipe's weights, the original form


@pytest.fixture(scope="module")
def recipe_checkpoint(recipe_state, tmp_path_factory):
    """The reference checkpoint that the recipe draws, laid out as the published one."""
    state = {key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}
    path = tmp_path_factory.mktemp("recipe") / "faster_rcnn_2_12_5010.pth"
    content = {"session": 2, "epoch": 13, "model": state, "pooling_mode": "align", "class_agnostic": False}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def network(recipe_checkpoint):
    return load_checkpoint(recipe_checkpoint)


@pytest.fixture(scope="module")
def original(recipe_checkpoint):
    """The original form with the recipe's weights, exported by the guide's command."""
    import pth2onnx

    out = recipe_checkpoint.with_name("original.onnx")
    words = ["--input", str(recipe_checkpoint), "--output", str(out), "--form", "original"]
    assert pth2onnx.main(words) == 0
    return out


@pytest.fixture(scope="module")
def astronaut(library_pictures):
    picture = library_pictures["astronaut"]
    return network_input(np.asarray(picture)[..., ::-1])[None], placement(*picture.size)


@pytest.fixture(scope="module")
def original_run(original, astronaut):
    """What the original form computes on a picture: its outputs and, behind them, the maps of its body."""
    model = onnx_library.load(original)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 84, 84])
        for name, channels in BODY.items()
    )
    path = original.with_name("with_maps.onnx")
    onnx_library.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    path.unlink()
    image, placed = astronaut
    return session.run(None, {"im_data": image, "im_info": placed.im_info[None]})


def check_agreement(found, expected, least=0.98):
    largest, share = compare_regions([rows[0] for rows in found], [rows[0] for rows in expected])
    assert share >= least
    assert (largest <= [0.05, 1e-4, 1e-3]).all(), largest


def test_the_original_form_takes_im_info_too(original):
    check_outside(load(original), IMAGE, IM_INFO)


def test_the_original_form_gives_the_recorded_outputs(original_run, cases):
    stored = np.load(cases / "image_astronaut.npz")
    check_agreement(original_run[:3], [stored[name][None] for name in OUTPUTS])


def test_the_guides_form_gives_the_recorded_outputs(original_run, cases):
    """The bodies of both forms are the same, so that the head alone is run, on the maps of the other form's body."""
    stored = np.load(cases / "image_astronaut.npz")
    found = run_model(head("guide"), dict(zip(BODY, original_run[3:], strict=True)))
    check_agreement(found, [stored[f"export_{name}"][None] for name in OUTPUTS], 0.9)


def test_the_exported_body_gives_the_recorded_maps(original_run, cases):
    facts = read_json(cases / "image_astronaut.json")["tensors"]
    stored, maps = np.load(cases / "image_astronaut.npz"), dict(zip(BODY, original_run[3:], strict=True))
    for name in ("rpn_bbox_pred", "cls_maps", "bbox_maps"):
        found = maps[name].reshape(-1)[:: facts[name]["stride"]]
        np.testing.assert_allclose(found, stored[name], rtol=0, atol=1e-3)


def test_both_forms_agree_with_torch_on_the_maps_of_a_picture(original_run, astronaut):
    maps, im_info = original_run[3:], astronaut[1].im_info[None]
    check_agreement(original_run[:3], run_torch(Head(), *maps, im_info))
    guide = run_model(head("guide"), dict(zip(BODY, maps, strict=True)))
    check_agreement(guide, run_torch(Head(), *maps))


# torch's network with the recipe's weights, stage by stage


def test_of_the_two_values_of_the_aliased_key_the_later_one_counts(recipe_state, network):
    assert not np.array_equal(recipe_state[ALIAS], recipe_state[ITSELF])
    loaded = {key: value.numpy() for key, value in network.state_dict().items()}
    expected = {**recipe_state, ALIAS: recipe_state[ITSELF]}
    assert all(np.array_equal(value, expected[key]) for key, value in loaded.items())


def test_seeded_weights_are_the_same_every_time():
    first, second = (evaluate.load(None).state_dict() for _ in range(2))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_seeded_weights_keep_activations_far_from_the_subnormal_numbers():
    """Below 1e-38, many processors take a hundred times as long for a product."""
    network, lowest = evaluate.load(None), {}

    def note(name, values):
        magnitudes = values.detach().abs()
        smallest = torch.where(magnitudes > 0, magnitudes, 1.0).min()
        lowest[name] = min(lowest.get(name, 1.0), float(smallest))

    for name, values in network.state_dict().items():
        if values.is_floating_point():
            note(name, values)
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _, __, output, name=name: note(name, output))
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 320, 320)).astype(np.float32))
    with torch.inference_mode():
        for scale in (60, 1, 0):
            Body(network)(scale * noise)
    assert len(lowest) > 500
    assert min(lowest.values()) > 1e-20


def test_body_and_head_are_the_network(network, monkeypatch):
    image, asked = torch.zeros(1, 3, 96, 96), []
    monkeypatch.setattr(Head, "forward", lambda self, *values: asked.append(values) or values)
    with torch.inference_mode():
        body = Body(network)(image)
        network(image, im_info := torch.ones(1, 3))
        network(image)
    assert [values.shape[1] for values in body] == [18, 36, 1029, 4116]
    assert all(torch.equal(one, other) for one, other in zip(body, asked[0], strict=False))
    assert asked[0][4] is im_info
    assert asked[1][4] is None


@pytest.fixture(scope="module", params=["astronaut", "china"])
def case(request, network, cases, library_pictures):
    """Facts, recorded values and, by the recorded names, what the network computes on a picture."""
    facts = read_json(cases / f"image_{request.param}.json")
    picture = library_pictures[request.param]
    if hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() != facts["image"]["sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    image, found = torch.from_numpy(network_input(np.asarray(picture)[..., ::-1])[None]), {}
    with torch.inference_mode():
        found["base_feat"] = network.RCNN_base(image)
        logits, found["rpn_bbox_pred"] = network.RCNN_rpn(found["base_feat"])
        found["rpn_cls_prob"] = proposals.probability(logits)
        found["conv_new"] = network.RCNN_conv_new(found["base_feat"])
        found["cls_maps"] = network.RCNN_cls_base(found["conv_new"])
        found["bbox_maps"] = network.RCNN_bbox_base(found["conv_new"])
    return facts, np.load(cases / f"image_{request.param}.npz"), found, logits, placement(*picture.size)


def check_stage(case, name, tolerance, values=None):
    facts, stored, found, *_ = case
    tensor, values = facts["tensors"][name], found[name] if values is None else values
    assert list(values.shape) == tensor["shape"]
    samples = values.reshape(-1)[:: tensor["stride"]].numpy()
    np.testing.assert_allclose(samples, stored[name], rtol=0, atol=tolerance)
    mean, deviation, _, largest = tensor["mean_std_l2_absmax"]
    assert float(values.double().mean()) == pytest.approx(mean, abs=1e-4)
    assert float(values.double().std()) == pytest.approx(deviation, rel=1e-4)
    assert float(values.abs().max()) == pytest.approx(largest, rel=1e-4)


TOLERANCES = dict.fromkeys(("base_feat", "rpn_bbox_pred", "conv_new", "cls_maps", "bbox_maps"), 1e-3)


@pytest.mark.parametrize(("name", "tolerance"), [*TOLERANCES.items(), ("rpn_cls_prob", 1e-4)])
def test_features_deltas_maps_and_probabilities_are_the_recorded_ones(name, tolerance, case):
    check_stage(case, name, tolerance)


@pytest.mark.parametrize(("family", "least"), [("rois", 295), ("export_rois", 270)])
def test_regions_are_the_recorded_ones_as_a_set(family, least, case):
    _, stored, found, _, placed = case
    im_info = torch.from_numpy(placed.im_info[None]) if family == "rois" else None
    regions = proposals.propose(found["rpn_cls_prob"], found["rpn_bbox_pred"], im_info)[0].numpy()
    distance = np.abs(regions[:, None] - stored[family][None]).max(axis=2)
    assert (distance.min(axis=0) < 0.05).sum() >= least
    assert (distance.min(axis=1) < 0.05).sum() >= least


@pytest.mark.parametrize("family", ["", "export_"])
def test_recorded_regions_are_pooled_classified_and_moved_as_recorded(family, case, monkeypatch):
    _, stored, found, logits, _ = case
    rois = torch.from_numpy(stored[f"{family}rois"][None])
    if not family:
        for kind in ("cls", "bbox"):
            check_stage(case, f"pooled_{kind}", 1e-3, proposals.pool(found[f"{kind}_maps"], rois))
    monkeypatch.setattr(proposals, "propose", lambda *_: rois)
    with torch.inference_mode():
        regions, scores, boxes = Head()(logits, found["rpn_bbox_pred"], found["cls_maps"], found["bbox_maps"])
    assert regions is rois
    assert [scores.shape, boxes.shape] == [(1, 300, 21), (1, 300, 84)]
    np.testing.assert_allclose(scores[0], stored[f"{family}cls_prob"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(boxes[0], stored[f"{family}bbox_pred"], rtol=0, atol=1e-3)
