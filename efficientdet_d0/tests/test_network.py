"""The network against the published keys and the recipe's outputs and detections."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from efficientdet_coco.coco import Picture, read_detections, write_detections  # noqa: E402
from efficientdet_coco.network import build, load_checkpoint, seeded  # noqa: E402
from efficientdet_coco.postprocessing import detect, top_candidates  # noqa: E402
from efficientdet_coco.preprocessing import letterbox, network_input  # noqa: E402
from tests.conftest import read_json  # noqa: E402


@pytest.fixture(scope="module")
def recipe_network(recipe_checkpoint):
    return load_checkpoint(recipe_checkpoint)


def test_state_dict_has_the_published_entries_in_order(reference):
    keys = read_json(reference / "keys.json")
    state = build().state_dict()
    assert [(key, list(value.shape)) for key, value in state.items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_784_entries_and_the_published_number_of_parameters():
    network = build()
    assert len(network.state_dict()) == 784
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_880_067


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china"])
def test_recipe_checkpoint_gives_the_reference_outputs_and_detections(
    name, recipe_network, cases, library_pictures, tmp_path
):
    facts, stored = read_json(cases / f"image_{name}.json"), np.load(cases / f"image_{name}.npz")
    canvas, placed = letterbox(library_pictures[name])
    image = network_input(canvas)
    if hashlib.sha256(image.tobytes()).hexdigest() != facts["preprocess"]["input_float32_nchw_sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    outputs = run_torch(recipe_network, image[None])
    for k, output in enumerate(outputs):
        tensor = facts["tensors"][f"output{k}"]
        assert list(output.shape) == tensor["shape"]
        found = output.ravel()[:: tensor["stride"]]
        np.testing.assert_allclose(found, stored[f"output{k}"], rtol=0, atol=5e-4)
    maps = [output[0] for output in outputs]
    logits, _, _ = top_candidates(maps[:5])
    np.testing.assert_allclose(logits[:256], stored["topk_logit"], rtol=0, atol=5e-4)
    np.testing.assert_allclose(logits[-1:], stored["topk_last_logit"], rtol=0, atol=5e-4)

    objects, expected = detect(maps, placed), stored["detections"]
    np.testing.assert_array_equal(objects[:, 5], expected[:, 5])
    np.testing.assert_allclose(objects[:, :4], expected[:, :4], rtol=0, atol=0.01)
    np.testing.assert_allclose(objects[:, 4], expected[:, 4], rtol=0, atol=1e-5)
    write_detections(tmp_path / "d.json", {name: Picture(1, None, 0, 0)}, {name: objects})
    boxes = [row["bbox"] for row in read_detections(tmp_path / "d.json")]
    np.testing.assert_allclose(boxes, stored["coco_bbox_xywh"], rtol=0, atol=0.01)


def test_a_batch_gives_the_rows_of_single_pictures():
    network = seeded()
    images = np.random.default_rng(0).normal(0, 1, (2, 3, 512, 512)).astype(np.float32)
    together = run_torch(network, images)
    assert [output.shape for output in together] == [
        (2, channels, side, side) for channels in (810, 36) for side in (64, 32, 16, 8, 4)
    ]
    for many, one in zip(together, run_torch(network, images[1:]), strict=True):
        np.testing.assert_allclose(many[1:], one, rtol=0, atol=1e-4)


def test_seeded_weights_are_the_same_every_time():
    first, second = (seeded().state_dict() for _ in range(2))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_prefix_and_wrapper_are_taken_off(seeded_checkpoint, tmp_path):
    state = torch.load(seeded_checkpoint, weights_only=True)
    path = tmp_path / "wrapped.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    network = load_checkpoint(path)
    assert not network.training
    assert all(torch.equal(value, state[key]) for key, value in network.network.state_dict().items())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(3, 2).state_dict(), path)
    with pytest.raises(
        GuideError, match="other.pth: not a checkpoint of EfficientDet-D0:\n  784 of 784 entries are missing"
    ):
        load_checkpoint(path)


def test_a_checkpoint_of_another_number_of_classes_is_refused(seeded_checkpoint, tmp_path):
    state = torch.load(seeded_checkpoint, weights_only=True)
    key = "class_net.predict.conv_pw.weight"
    state[key] = state[key][:720]
    torch.save(state, tmp_path / "eighty.pth")
    with pytest.raises(
        GuideError, match=rf"{key}: expected shape \(810, 64, 1, 1\), found \(720, 64, 1, 1\)"
    ):
        load_checkpoint(tmp_path / "eighty.pth")
