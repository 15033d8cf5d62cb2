"""The network against the published keys and, stage by stage, what the original computed with the recipe's weights."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.errors import GuideError  # noqa: E402
from rfcn_voc import proposals  # noqa: E402
from rfcn_voc.network import Body, Head, Rfcn, load_checkpoint, seeded  # noqa: E402
from rfcn_voc.preprocessing import network_input, placement  # noqa: E402
from tests.conftest import read_json  # noqa: E402

ALIAS, ITSELF = "RCNN_conv_1x1.weight", "RCNN_conv_new.1.weight"
PICTURES = ("astronaut", "china")


@pytest.fixture(scope="module")
def recipe_network(recipe_checkpoint):
    return load_checkpoint(recipe_checkpoint)


@pytest.fixture(scope="module")
def seeded_state(seeded_checkpoint):
    return torch.load(seeded_checkpoint, weights_only=True)


@pytest.fixture(scope="module", params=PICTURES)
def case(request, recipe_network, cases, library_pictures):
    """Facts, recorded values and, by the recorded names, what the network computes on a picture."""
    facts = read_json(cases / f"image_{request.param}.json")
    picture = library_pictures[request.param]
    if hashlib.sha256(np.asarray(picture).tobytes()).hexdigest() != facts["image"]["sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    image = torch.from_numpy(network_input(picture)[None])
    network, found = recipe_network, {}
    with torch.inference_mode():
        found["base_feat"] = network.RCNN_base(image)
        logits, found["rpn_bbox_pred"] = network.RCNN_rpn(found["base_feat"])
        found["rpn_cls_prob"] = proposals.probability(logits)
        found["conv_new"] = network.RCNN_conv_new(found["base_feat"])
        found["cls_maps"] = network.RCNN_cls_base(found["conv_new"])
        found["bbox_maps"] = network.RCNN_bbox_base(found["conv_new"])
    return facts, np.load(cases / f"image_{request.param}.npz"), found, logits, placement(*picture.size)


@pytest.fixture
def quickly_made(monkeypatch):
    """Leaves out drawing the first weights, of which loading leaves none."""
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda tensor, **_: tensor)


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


def test_state_dict_has_the_published_entries(quickly_made, reference):
    keys = read_json(reference / "keys.json")
    state = Rfcn().state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == {
        key: entry["shape"] for key, entry in keys.items()
    }
    assert keys[ALIAS].get("same_as") == ITSELF or keys[ITSELF].get("same_as") == ALIAS


def test_network_has_634_entries_and_the_published_number_of_parameters(quickly_made):
    network = Rfcn()
    assert len(network.state_dict()) == 634
    assert sum(parameter.numel() for parameter in network.parameters()) == 54_612_598


def test_of_the_two_values_of_the_aliased_key_the_later_one_counts(recipe_checkpoint, recipe_network):
    state = torch.load(recipe_checkpoint, weights_only=True)["model"]
    assert not torch.equal(state[ALIAS], state[ITSELF])
    loaded = recipe_network.state_dict()
    assert torch.equal(loaded[ITSELF], state[ITSELF])
    assert torch.equal(loaded[ALIAS], state[ITSELF])
    assert all(torch.equal(value, state[key]) for key, value in loaded.items() if key != ALIAS)


def test_both_orders_of_the_aliased_keys_give_the_same(quickly_made, seeded_state, tmp_path):
    state = dict(seeded_state)
    state[ALIAS] = state.pop(ALIAS) + 1  # comes last now
    torch.save(state, tmp_path / "turned.pth")
    network = load_checkpoint(tmp_path / "turned.pth")
    assert torch.equal(network.RCNN_conv_1x1.weight, seeded_state[ITSELF])
    assert network.RCNN_conv_new[1] is network.RCNN_conv_1x1


@pytest.mark.parametrize(("name", "tolerance"), [("base_feat", 1e-3), ("rpn_cls_prob", 1e-4)])
def test_features_and_probabilities_are_the_recorded_ones(name, tolerance, case):
    check_stage(case, name, tolerance)


def test_deltas_are_the_recorded_ones(case):
    check_stage(case, "rpn_bbox_pred", 1e-3)


@pytest.mark.parametrize("name", ["conv_new", "cls_maps", "bbox_maps"])
def test_maps_are_the_recorded_ones(name, case):
    check_stage(case, name, 1e-3)


@pytest.mark.parametrize(("family", "least"), [("rois", 295), ("export_rois", 270)])
def test_regions_are_the_recorded_ones_as_a_set(family, least, case):
    _, stored, found, _, placed = case
    im_info = torch.from_numpy(placed.im_info[None]) if family == "rois" else None
    regions = proposals.propose(found["rpn_cls_prob"], found["rpn_bbox_pred"], im_info)[0].numpy()
    distance = np.abs(regions[:, None] - stored[family][None]).max(axis=2)
    assert (distance.min(axis=0) < 0.05).sum() >= least
    assert (distance.min(axis=1) < 0.05).sum() >= least


@pytest.mark.parametrize("family", ["", "export_"])
def test_recorded_regions_are_classified_and_moved_as_recorded(family, case, monkeypatch):
    _, stored, found, logits, _ = case
    rois = torch.from_numpy(stored[f"{family}rois"][None])
    monkeypatch.setattr(proposals, "propose", lambda *_: rois)
    with torch.inference_mode():
        regions, scores, boxes = Head()(logits, found["rpn_bbox_pred"], found["cls_maps"], found["bbox_maps"])
    assert regions is rois
    assert [scores.shape, boxes.shape] == [(1, 300, 21), (1, 300, 84)]
    np.testing.assert_allclose(scores[0], stored[f"{family}cls_prob"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(boxes[0], stored[f"{family}bbox_pred"], rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", ["cls", "bbox"])
def test_recorded_regions_are_pooled_as_recorded(kind, case):
    rois = torch.from_numpy(case[1]["rois"][None])
    pooled = proposals.pool(case[2][f"{kind}_maps"], rois)
    check_stage(case, f"pooled_{kind}", 1e-3, pooled)


def test_body_and_head_are_the_network(recipe_network, monkeypatch):
    network = recipe_network
    image = torch.zeros(1, 3, 96, 96)
    asked = []
    monkeypatch.setattr(Head, "forward", lambda self, *values: asked.append(values) or values)
    with torch.inference_mode():
        body = Body(network)(image)
        network(image, im_info := torch.ones(1, 3))
        network(image)
    assert [values.shape[1] for values in body] == [18, 36, 1029, 4116]
    assert all(torch.equal(one, other) for one, other in zip(body, asked[0], strict=False))
    assert asked[0][4] is im_info
    assert asked[1][4] is None


def test_first_pooling_has_no_padding_and_takes_the_rest_at_the_border(quickly_made):
    """672 becomes 336, and 7 becomes 3."""
    network = Rfcn()
    with torch.inference_mode():
        assert network.RCNN_base[3](torch.zeros(1, 1, 672, 7)).shape == (1, 1, 336, 3)
        image = torch.arange(16.0).reshape(1, 1, 4, 4)
        assert network.RCNN_base[3](image).tolist() == [[[[10, 11], [14, 15]]]]


def test_seeded_weights_are_the_same_every_time(seeded_state):
    state = seeded().state_dict()
    assert all(torch.equal(value, seeded_state[key]) for key, value in state.items())


def test_network_is_loaded_in_evaluation_mode_and_the_prefix_taken_off(quickly_made, seeded_state, tmp_path):
    weights = {f"module.{key}": value for key, value in seeded_state.items()}
    torch.save({"epoch": 12, "pooling_mode": "align", "optimizer": {}, "model": weights}, tmp_path / "a.pth")
    network = load_checkpoint(tmp_path / "a.pth")
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(value, seeded_state[key]) for key, value in network.state_dict().items())


def refused(state, path, words):
    torch.save({"model": state, "pooling_mode": "align"}, path)
    with pytest.raises(GuideError) as caught:
        load_checkpoint(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{path}: not a checkpoint of R-FCN:")


@pytest.mark.parametrize("key", ["RCNN_base.6.22.bn3.running_mean", ALIAS, ITSELF])
def test_a_missing_entry_is_refused(key, quickly_made, seeded_state, tmp_path):
    state = {name: value for name, value in seeded_state.items() if name != key}
    refused(state, tmp_path / "a.pth", f"1 of 634 entries are missing: {key}")


def test_an_entry_that_does_not_belong_is_refused(quickly_made, seeded_state, tmp_path):
    state = {**seeded_state, "RCNN_top.weight": torch.zeros(1)}
    refused(state, tmp_path / "a.pth", "1 entries do not belong to it: RCNN_top.weight")


def test_a_checkpoint_of_another_number_of_classes_is_refused(quickly_made, seeded_state, tmp_path):
    state = dict(seeded_state)
    state["RCNN_cls_base.weight"] = state["RCNN_cls_base.weight"][: 81 * 12]
    refused(state, tmp_path / "a.pth", "RCNN_cls_base.weight: expected shape (1029, 1024, 1, 1), found (972,")


@pytest.mark.parametrize(
    ("key", "value"), [("RCNN_rpn.RPN_Conv.bias", np.inf), (ALIAS, np.nan), (ITSELF, np.nan)]
)
def test_values_that_are_not_finite_are_refused(key, value, quickly_made, seeded_state, tmp_path):
    state = dict(seeded_state)
    state[key] = state[key].clone()
    state[key].view(-1)[3] = value
    if key == ALIAS:  # the other one counts
        torch.save(state, tmp_path / "a.pth")
        load_checkpoint(tmp_path / "a.pth")
    else:
        refused(state, tmp_path / "a.pth", f"{key}: holds values that are not finite")


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("saved_by", ["torch", "pickle"])
def test_nothing_in_a_malicious_checkpoint_is_executed(saved_by, seeded_state, tmp_path):
    trace, path = tmp_path / "executed", tmp_path / "a.pth"
    content = {
        "model": {"RCNN_rpn.RPN_Conv.bias": seeded_state["RCNN_rpn.RPN_Conv.bias"]},
        "x": Malicious(trace),
    }
    if saved_by == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(GuideError, match="a.pth: "):
        load_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint", b"PK\x03\x04 half a zip file"])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    path = tmp_path / "a.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GuideError, match="a.pth: "):
        load_checkpoint(path)


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    torch.save({"model": {}, "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(GuideError, match="a.pth: expected a state dict"):
        load_checkpoint(tmp_path / "a.pth")
