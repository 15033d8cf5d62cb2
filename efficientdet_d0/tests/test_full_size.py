"""The full-size proof: the network, and every file that is made from it, against torch and the reference.

Seeded weights show that the export is the network for every batch; the reference checkpoint, whose weights a recipe
draws, that the network is the original one, from a picture to its objects.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

import pth2onnx  # noqa: E402
from ascend_tools.testing.exports import seeded_export  # noqa: E402
from common.backends.deployed import open_deployed  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.export.onnx_file import random_inputs  # noqa: E402
from common.graph.outline import describe, load  # noqa: E402
from efficientdet_coco.coco import Picture, read_detections, write_detections  # noqa: E402
from efficientdet_coco.network import load_checkpoint, seeded  # noqa: E402
from efficientdet_coco.postprocessing import top_candidates  # noqa: E402
from efficientdet_coco.preprocessing import letterbox, network_input  # noqa: E402
from efficientdet_coco.sample import write_sample  # noqa: E402
from efficientdet_coco.task import SAME_OBJECTS, TASK  # noqa: E402
from patches.fixed_padding import fixed_padding  # noqa: E402
from patches.infinite_padding import infinite_pads  # noqa: E402
from tests.conftest import FACTS, HERE, read_json  # noqa: E402

pytestmark = pytest.mark.full_size
NAMES = ("d0.onnx", "d0_sim.onnx", "d0_modify.onnx")


@pytest.fixture(scope="module")
def seeded_files():
    """The files of all steps of the export with seeded weights and a dynamic batch."""
    folder = seeded_export(HERE)
    return {name: folder / name for name in NAMES}


@pytest.fixture(scope="module")
def seeded_network():
    return seeded()


@pytest.fixture(scope="module")
def recipe_checkpoint(recipe_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "d0.pth"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    return path


@pytest.fixture(scope="module")
def recipe_network(recipe_checkpoint):
    return load_checkpoint(recipe_checkpoint)


@pytest.fixture(scope="module")
def recipe_files(recipe_checkpoint):
    """The guide's export command with the reference checkpoint and a batch of one: what it printed, and its files."""
    out = recipe_checkpoint.with_name("d0.onnx")
    words = ["--batch_size=1", f"--checkpoint={recipe_checkpoint}", f"--out={out}"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert pth2onnx.main(words) == 0
    return printed.getvalue(), out, out.with_name("d0_sim.onnx")


def check_outside(path, batch):
    graph = describe(load(path))
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("x.1", "float32", (batch, 3, 512, 512))]
    assert [(v.name, v.dtype, v.shape) for v in graph.outputs] == [
        (tensor.name, "float32", (batch, *tensor.image_shape)) for tensor in FACTS.outputs
    ]


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_opset_are_the_documented_ones(name, seeded_files):
    check_outside(seeded_files[name], "-1")


def test_the_deployed_file_gives_a_batch_of_three_as_torch_does(seeded_files, seeded_network):
    images = random_inputs(FACTS, 3)
    with open_deployed(seeded_files["d0_modify.onnx"], None, FACTS, HERE) as deployed:
        together = deployed.run({"x.1": images})
        alone = {row: deployed.run({"x.1": images[row : row + 1]}) for row in (0, 2)}
    for found, wanted in zip(together, run_torch(seeded_network, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-3 * wanted.std())
    for row, outputs in alone.items():
        for many, one in zip(together, outputs, strict=True):
            np.testing.assert_allclose(many[row], one[0], rtol=0, atol=1e-3 * one.std())


def test_constant_padding_changes_nothing(seeded_network):
    image = np.linspace(-2, 2, 3 * 512 * 512, dtype=np.float32).reshape(1, 3, 512, 512)
    outside = run_torch(seeded_network, image)
    with fixed_padding():
        inside = run_torch(seeded_network, image)
    assert all((found == wanted).all() for found, wanted in zip(inside, outside, strict=True))


def test_fourteen_paddings_with_infinity_are_taken_out_without_a_difference(seeded_files, tmp_path, run):
    source, out = seeded_files["d0_sim.onnx"], tmp_path / "d0_modify.onnx"
    done = run("modify_onnx.py", f"--model={source}", f"--out={out}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("MaxPool: pads [0, 0, 1, 1], /network/fpn/" in line for line in lines) == 14
    assert lines[14] == f"difference from {source}, on random inputs:"
    assert all("largest difference 0.00e+00, accepted " in line for line in lines[15:-1])
    assert lines[-1] == f"{out}: 14 nodes changed"
    before, after = (Counter(node.op_type for node in load(path).graph.node) for path in (source, out))
    assert before["Pad"] == before["MaxPool"] == after["MaxPool"] == len(infinite_pads(load(source))) == 14
    assert not after["Pad"]
    assert out.read_bytes() == seeded_files["d0_modify.onnx"].read_bytes()


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china"])
def test_the_reference_checkpoint_gives_the_reference_outputs_and_objects(
    name, recipe_network, cases, library_pictures, tmp_path
):
    facts, stored = read_json(cases / f"image_{name}.json"), np.load(cases / f"image_{name}.npz")
    canvas, placed = letterbox(np.asarray(library_pictures[name]))
    image = network_input(canvas)
    if hashlib.sha256(image.tobytes()).hexdigest() != facts["preprocess"]["input_float32_nchw_sha256"]:
        pytest.skip("this machine's decoder gives other pixels of the JPEG file")
    outputs = run_torch(recipe_network, image[None])
    check_outputs(outputs, facts, stored, 5e-4)
    maps = [output[0] for output in outputs]
    logits, _, _ = top_candidates(maps[:5])
    np.testing.assert_allclose(logits[:256], stored["topk_logit"], rtol=0, atol=5e-4)
    np.testing.assert_allclose(logits[-1:], stored["topk_last_logit"], rtol=0, atol=5e-4)

    objects, expected = TASK.finish(maps, placed), stored["detections"]
    order = places(objects, expected)
    write_detections(tmp_path / "d.json", {name: Picture(1, None, 0, 0)}, {name: objects})
    boxes = read_detections(tmp_path / "d.json").boxes
    # A side has the rounding of two corners.
    assert (np.abs(boxes[order] - stored["coco_bbox_xywh"]) <= [0.01, 0.01, 0.02, 0.02]).all()


def places(objects, expected):
    """Where each expected object is: the same class and box, a score that rounding alone makes another, each once.

    Objects whose scores differ by less than that may change places: the last bits follow the processor.
    """
    assert objects.shape == expected.shape
    difference = np.abs(objects[None] - expected[:, None])
    same = (difference <= [0.01, 0.01, 0.01, 0.01, 1e-5, 0]).all(axis=2)
    order = same.argmax(axis=1)
    assert same.any(axis=1).all()
    assert len(set(order.tolist())) == len(expected)
    assert (np.diff(objects[:, 4]) <= 0).all()
    return order


def check_outputs(outputs, facts, stored, tolerance):
    for k, output in enumerate(outputs):
        tensor = facts["tensors"][f"output{k}"]
        assert list(output.shape) == tensor["shape"]
        found = output.ravel()[:: tensor["stride"]]
        np.testing.assert_allclose(found, stored[f"output{k}"], rtol=0, atol=tolerance)


def test_the_guides_command_compares_both_files_with_torch(recipe_files):
    printed, out, simplified = recipe_files
    figures = [float(text) for text in re.findall(r"largest difference ([^,]+), accepted ", printed)]
    assert len(figures) == 20
    assert max(figures) < 1e-3
    assert printed.endswith(f"{out}: d0.pth as ONNX, opset 11, batch 1\n{simplified}: the same, simplified\n")
    assert sorted(path.name for path in out.parent.glob("*")) == ["d0.onnx", "d0.pth", "d0_sim.onnx"]
    counts = Counter(node.op_type for node in load(simplified).graph.node)
    assert counts["Pad"] == counts["MaxPool"] == len(infinite_pads(load(simplified))) == 14
    assert not counts.keys() & {"Shape", "Gather", "Cast", "Loop", "If", "BatchNormalization"}
    assert 700 <= sum(counts.values()) <= 760


def test_the_reference_checkpoint_exported_gives_the_reference_outputs(recipe_files, cases, library_pictures):
    facts, stored = read_json(cases / "image_astronaut.json"), np.load(cases / "image_astronaut.npz")
    canvas, placed = letterbox(np.asarray(library_pictures["astronaut"]))
    for path in recipe_files[1:]:
        check_outside(path, 1)
        with open_deployed(path, None, FACTS, HERE) as deployed:
            outputs = deployed.run({"x.1": network_input(canvas)[None]})
        check_outputs(outputs, facts, stored, 1e-3)
        objects = TASK.finish([output[0] for output in outputs], placed)
        assert SAME_OBJECTS(objects, stored["detections"]) >= 99


def test_the_guides_way_moves_logits_and_is_not_refused(recipe_files, tmp_path, run):
    words = ("--mode", "guide", "--model", recipe_files[2], "--out", tmp_path / "d0_guide.onnx")
    done = run("modify_onnx.py", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Pad: pads with 0") == 14
    figures = [float(text) for text in re.findall(r"largest difference ([^,]+),", done.stdout)]
    assert len(figures) == 10
    assert max(figures) > 0.05


def test_the_list_that_preflight_writes_is_the_guides(recipe_files, tmp_path, run):
    """Why the guide needs ops_info.json."""
    data = write_sample(tmp_path / "data")
    assert run("preprocess.py", "--data", data, "--out", tmp_path / "bins").returncode == 0
    inputs = ("--input", tmp_path / "bins", "--limit", 2, "--out", tmp_path / "preflight")
    done = run("ascend_tools.preflight", "--model", recipe_files[2], *inputs)
    assert done.returncode == 0, done.stderr
    assert "ReduceMean" in done.stdout.splitlines()[3]  # worst first
    listed = read_json(tmp_path / "preflight" / "ops_info.json")
    assert listed == read_json(HERE / "ops_info.json") == {"black-list": {"to-add": ["ReduceMeanD"]}}


@pytest.mark.parametrize("chip", ["Ascend310P3", "Ascend910B4"])
def test_the_smallest_list_with_which_half_precision_holds_is_the_guides(recipe_files, tmp_path, run, chip):
    data = write_sample(tmp_path / "data")
    assert run("preprocess.py", "--data", data, "--out", tmp_path / "bins").returncode == 0
    words = ("--find-list", "--model", recipe_files[2], "--input", tmp_path / "bins", "--soc-version", chip)
    done = run("ascend_tools.preflight", *words, "--out", tmp_path / "list")
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "list" / "ops_info.json") == read_json(HERE / "ops_info.json")
    found = read_json(tmp_path / "list" / "find_list.json")
    without = found["without"]["ReduceMeanD"]  # the sums of a picture's first means leave the range
    assert without is None if chip == "Ascend910B4" else without > 2 * found["figure"]
