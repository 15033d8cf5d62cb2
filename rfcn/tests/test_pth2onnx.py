"""The export: the guide's flags, both forms, names, operator sets, agreement with torch, what is refused and not kept."""

from __future__ import annotations

import os

import numpy as np
import onnx
import onnxruntime
import pytest
from msgspec.structs import replace
from onnx import TensorProto, helper

torch = pytest.importorskip("torch", reason="the export needs torch")

import pth2onnx  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe, load  # noqa: E402
from rfcn_voc import agreement  # noqa: E402
from rfcn_voc.agreement import Agreement, check_regions, compare_regions, count_same  # noqa: E402
from rfcn_voc.network import Head  # noqa: E402
from rfcn_voc.preprocessing import network_input, placement  # noqa: E402
from rfcn_voc.standard_head import BODY  # noqa: E402
from tests.conftest import HERE, read_json  # noqa: E402
from tests.heads import head, run  # noqa: E402

MODEL = read_facts(HERE)
OUTPUTS = [("rois", (1, 300, 5)), ("cls_prob", (1, 300, 21)), ("bbox_pred", (1, 300, 84))]


@pytest.fixture(scope="module")
def recipe_original(recipe_checkpoint):
    """The original form with the recipe's weights, and what a user reads about it."""
    from tests.conftest import run_script

    out = recipe_checkpoint.with_name("original.onnx")
    done = run_script("pth2onnx.py", "--input", recipe_checkpoint, "--output", out, "--form", "original")
    return out, done


@pytest.fixture(scope="module")
def astronaut(library_pictures):
    picture = library_pictures["astronaut"]
    return network_input(picture)[None], placement(*picture.size)


@pytest.fixture(scope="module")
def original_run(recipe_original, astronaut):
    """What the original form computes on a picture: its outputs and, behind them, the maps of its body."""
    model = onnx.load(recipe_original[0])
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 84, 84])
        for name, channels in BODY.items()
    )
    path = recipe_original[0].with_name("with_maps.onnx")
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    path.unlink()
    image, placed = astronaut
    return session.run(None, {"im_data": image, "im_info": placed.im_info[None]})


def check_agreement(found, expected, least=0.98):
    largest, share = compare_regions([rows[0] for rows in found], [rows[0] for rows in expected])
    assert share >= least
    assert (largest <= [0.05, 1e-4, 1e-3]).all(), largest


def test_the_guides_form_takes_the_picture_alone(seeded_onnx):
    model = load(seeded_onnx)
    graph = describe(model)
    assert graph.opset == 11
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("im_data", "float32", (1, 3, 1344, 1344))]
    assert [(v.name, v.shape) for v in graph.outputs] == OUTPUTS
    assert {v.dtype for v in graph.outputs} == {"float32"}
    assert {node.domain for node in model.graph.node} == {""}
    assert all(onnx.defs.has(node.op_type, 11) for node in model.graph.node)
    names = [node.name for node in model.graph.node]
    assert len({*names}) == len(names)
    assert [path.name for path in sorted(seeded_onnx.parent.glob("*.onnx"))] == ["rfcn_1.onnx"]


def test_the_original_form_takes_im_info_too(recipe_original):
    out, done = recipe_original
    assert done.returncode == 0, done.stderr
    graph = describe(load(out))
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [
        ("im_data", "float32", (1, 3, 1344, 1344)),
        ("im_info", "float32", (1, 3)),
    ]
    assert [(v.name, v.shape) for v in graph.outputs] == OUTPUTS


def test_what_is_compared_is_printed(recipe_original):
    out, done = recipe_original
    lines = done.stdout.splitlines()
    assert lines[0] == "compared with torch on a random picture:"
    assert [line.split(":")[0].strip() for line in lines[1:5]] == [*BODY]
    assert "% of torch's regions on the same maps, 90 % demanded; in these:" in lines[5]
    assert [line.split(":")[0].strip() for line in lines[6:9]] == [name for name, _ in OUTPUTS]
    assert lines[9] == f"{out}: faster_rcnn_2_12_5010.pth as ONNX, opset 11, the original form"
    assert "Traceback" not in done.stderr


def test_the_original_form_gives_the_recorded_outputs(original_run, cases):
    stored = np.load(cases / "image_astronaut.npz")
    expected = [stored[name][None] for name, _ in OUTPUTS]
    check_agreement(original_run[:3], expected)


def test_the_guides_form_gives_the_recorded_outputs(original_run, cases):
    """The bodies of both forms are the same, so that the head alone is run, on the maps of the other form's body."""
    stored = np.load(cases / "image_astronaut.npz")
    found = run(head("guide"), dict(zip(BODY, original_run[3:], strict=True)))
    check_agreement(found, [stored[f"export_{name}"][None] for name, _ in OUTPUTS], 0.9)


def test_the_exported_body_gives_the_recorded_maps(original_run, cases):
    facts, stored = (
        read_json(cases / "image_astronaut.json")["tensors"],
        np.load(cases / "image_astronaut.npz"),
    )
    maps = dict(zip(BODY, original_run[3:], strict=True))
    for name in ("rpn_bbox_pred", "cls_maps", "bbox_maps"):
        found = maps[name].reshape(-1)[:: facts[name]["stride"]]
        np.testing.assert_allclose(found, stored[name], rtol=0, atol=1e-3)


def test_both_forms_agree_with_torch_on_the_maps_of_a_picture(original_run, astronaut):
    maps, im_info = original_run[3:], astronaut[1].im_info[None]
    check_agreement(original_run[:3], run_torch(Head(), *maps, im_info))
    guide = run(head("guide"), dict(zip(BODY, maps, strict=True)))
    check_agreement(guide, run_torch(Head(), *maps))


@pytest.fixture
def small_body(monkeypatch):
    """A network whose body is not run: exporting and comparing take seconds less."""

    def write(network, image, inputs, outputs, path, *, opset):
        model = head("guide", opset)
        graph = helper.make_graph(
            [],
            "body",
            [helper.make_tensor_value_info("im_data", TensorProto.FLOAT, [1, 3, 96, 96])],
            list(model.graph.input),
        )
        nodes = [
            helper.make_node("Conv", ["im_data", f"w_{name}"], [name], name, strides=[16, 16])
            for name in outputs
        ]
        generator = np.random.default_rng(0)
        for name, channels in BODY.items():
            weight = generator.normal(0, 0.02, (channels, 3, 1, 1)).astype(np.float32)
            graph.initializer.append(onnx.numpy_helper.from_array(weight, f"w_{name}"))
        graph.node.extend(nodes)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)
        onnx.save(made, path)

    def in_torch(network, *inputs):
        if isinstance(network, Head):
            return run_torch(network, *inputs)
        generator, image = np.random.default_rng(0), torch.from_numpy(inputs[0])
        weights = [
            generator.normal(0, 0.02, (channels, 3, 1, 1)).astype(np.float32) for channels in BODY.values()
        ]
        return [
            torch.nn.functional.conv2d(image, torch.from_numpy(weight), stride=16).numpy()
            for weight in weights
        ]

    monkeypatch.setattr(pth2onnx, "write_onnx", write)
    monkeypatch.setattr(agreement, "run_torch", in_torch)
    return torch.nn.Identity()


@pytest.mark.parametrize(("form", "opset"), [("guide", 16), ("original", 13)])
def test_every_form_and_operator_set_is_written(form, opset, small_body, tmp_path):
    pth2onnx.export_form(small_body, MODEL, tmp_path / "a.onnx", form, opset)
    graph = describe(load(tmp_path / "a.onnx"))
    assert graph.opset == opset
    assert [v.name for v in graph.inputs] == ["im_data", "im_info"][: 1 + (form == "original")]
    assert [v.name for v in graph.outputs] == [name for name, _ in OUTPUTS]
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def test_an_export_whose_outputs_differ_from_torch_leaves_nothing(small_body, tmp_path):
    strict = replace(MODEL, outputs=tuple(replace(tensor, tolerance=-1.0) for tensor in MODEL.outputs))
    with pytest.raises(GuideError, match="output 'rois' differs from torch by .*The export is not kept"):
        pth2onnx.export_form(small_body, strict, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_whose_maps_differ_from_torch_leaves_nothing(small_body, tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "MAPS", -1)
    with pytest.raises(GuideError, match="'rpn_cls_score' differs from torch by .*The export is not kept"):
        pth2onnx.export_form(small_body, MODEL, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_an_export_with_too_few_equal_regions_leaves_nothing(small_body, tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "REGIONS", 1.01)
    with pytest.raises(GuideError, match="regions are the same, fewer than 101 %. The export is not kept"):
        pth2onnx.export_form(small_body, MODEL, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_form_with_the_other_forms_head_is_found_out(small_body, tmp_path, monkeypatch):
    """The graph clips nothing and torch does: the compared regions are others."""
    attach = pth2onnx.attach_head

    def mixed(graph, *, published):
        attach(graph, published=False)
        graph.graph.input.append(helper.make_tensor_value_info("im_info", TensorProto.FLOAT, [1, 3]))

    monkeypatch.setattr(pth2onnx, "attach_head", mixed)
    with pytest.raises(GuideError, match="The export is not kept"):
        pth2onnx.export_form(small_body, MODEL, tmp_path / "a.onnx", "original")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_checkpoint_is_told_in_one_message(tmp_path, capsys):
    path = tmp_path / "broken.pth"
    path.write_bytes(b"not a checkpoint")
    assert pth2onnx.main(["--input", str(path), "--output", str(tmp_path / "x.onnx")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.pth"]


def test_without_a_checkpoint_the_file_to_fetch_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pth2onnx, "HERE", tmp_path)
    (tmp_path / "model.toml").write_bytes((HERE / "model.toml").read_bytes())
    assert pth2onnx.main(["--output", str(tmp_path / "x.onnx")]) == 1
    message = capsys.readouterr().err
    assert "faster_rcnn_2_12_5010.pth" in message
    assert "pan.baidu.com" in message
    assert not (tmp_path / "x.onnx").exists()


def test_the_guides_flags_are_other_names(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(pth2onnx, "export_form", lambda *values: asked.append(values[2:]))
    monkeypatch.setattr("rfcn_voc.network.load_checkpoint", asked.append)
    for names in (("--input", "--output"), ("--checkpoint", "--out")):
        assert pth2onnx.main([names[0], "a.pth", names[1], "b.onnx", "--opset", "13"]) == 0
    assert len({str(values) for values in asked}) == 2
    assert [str(asked[0]), *map(str, asked[1])] == ["a.pth", "b.onnx", "guide", "13"]


def test_without_torch_the_missing_requirement_is_named(tmp_path, run):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module', name='torch')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert run("pth2onnx.py", "--help", env=environment).returncode == 0
    done = run("pth2onnx.py", "--input", "x.pth", env=environment)
    assert done.returncode == 1
    assert "the package 'torch' is not installed" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--output", "x.pth"],
        ["--opset", "10"],
        ["--opset", "17"],
        ["--form", "other"],
        ["--batch-size", "2"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_status_2(arguments):
    with pytest.raises(SystemExit) as stop:
        pth2onnx.main(arguments)
    assert stop.value.code == 2


def some_outputs(seed=0):
    generator = np.random.default_rng(seed)
    rois = np.concatenate((np.zeros((300, 1)), generator.integers(0, 1300, (300, 4)) + 0.2), axis=1)
    return [
        rows.astype(np.float32)
        for rows in (rois, generator.random((300, 21)), generator.normal(0, 1, (300, 84)))
    ]


def test_regions_in_another_order_are_the_same():
    wanted = some_outputs()
    order = np.random.default_rng(1).permutation(300)
    largest, share = compare_regions([rows[order] for rows in wanted], wanted)
    assert share == 1
    assert largest.tolist() == [0, 0, 0]


def test_differences_in_equal_regions_alone_are_reported():
    wanted, found = some_outputs(), some_outputs()
    found[0][:30, 1] += 5  # other regions, a tenth
    found[1][:30] += 9
    found[0][40, 3] += 0.03
    found[1][50, 20] += 0.25
    found[2][299, 83] -= 2
    largest, share = compare_regions(found, wanted)
    assert share == 0.9
    np.testing.assert_allclose(largest, [0.03, 0.25, 2], rtol=1e-3)


@pytest.mark.parametrize(("distance", "same"), [(0.049, True), (0.051, False)])
def test_equal_regions_are_within_a_twentieth_of_a_pixel_on_each_side(distance, same):
    for column in range(1, 5):
        wanted, found = some_outputs(), some_outputs()
        found[0][:, column] += distance
        assert (compare_regions(found, wanted)[1] == 1) is same


def test_a_region_that_is_rounded_to_other_cells_counts_but_is_not_compared():
    wanted, found = some_outputs(), some_outputs()
    wanted[0][7, 2], found[0][7, 2] = 100.4999, 100.5001
    found[1][7] += 1
    largest, share = compare_regions(found, wanted)
    assert share == 1
    assert largest.tolist() == [0, 0, 0]


def test_no_equal_region_is_an_infinite_difference():
    wanted, found = some_outputs(), some_outputs()
    found[0][:, 1:] += 0.3
    found[0][:, 1:] += 2000
    largest, share = compare_regions(found, wanted)
    assert share == 0
    assert np.isinf(largest).all()


def test_nan_in_an_equal_region_is_not_overlooked():
    wanted, found = some_outputs(), some_outputs()
    found[1][5, 5] = np.nan
    assert np.isnan(compare_regions(found, wanted)[0][1])


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_enough_equal_regions_are_accepted(share):
    check_regions(share, "Nothing.")


@pytest.mark.parametrize("share", [0.8999, 0.0, float("nan")])
def test_too_few_equal_regions_are_refused(share):
    with pytest.raises(GuideError, match="regions are the same, fewer than 90 %. Nothing is kept."):
        check_regions(share, "Nothing is kept.")


OBJECTS = np.array(
    [[10, 20, 110, 220, 0.9, 3], [30, 40, 50, 60, 0.5, 3], [30, 40, 50, 60, 0.5, 7]], np.float32
)


@pytest.mark.parametrize(
    ("column", "change", "count"),
    [
        (0, 0.49, 3),
        (0, 0.51, 2),
        (3, -0.51, 2),
        (4, 0.0009, 3),
        (4, -0.0011, 2),
        (5, 1, 2),
    ],
)
def test_the_same_detections_are_of_a_class_a_place_and_a_score(column, change, count):
    others = OBJECTS[::-1].copy()
    assert count_same(OBJECTS, others) == 3
    others[2, column] += change
    assert count_same(OBJECTS, others) == count_same(others, OBJECTS) == count


def test_a_detection_is_not_counted_for_two():
    assert count_same(OBJECTS, np.repeat(OBJECTS[:1], 4, axis=0)) == 1
    assert count_same(np.repeat(OBJECTS[:1], 4, axis=0), OBJECTS) == 1
    none = np.zeros((0, 6), np.float32)
    assert count_same(OBJECTS, none) == count_same(none, OBJECTS) == count_same(none, none) == 0


def test_an_agreement_says_its_share():
    text = str(found := Agreement(2, (0.0, 0.0, 0.0), 0.985, 100, 98, 95))
    assert found.share == 95 / 103
    assert text == ("regions: 98.5 % the same; detections: torch 100, deployed 98, the same 95 (92.23 %)")
    assert Agreement(1, (0.0,), 1.0, 0, 0, 0).share == 1
