"""The whole guide in one command."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="the embedded default compares with torch")

import evaluate  # noqa: E402
from common.export import download  # noqa: E402
from common.graph.outline import load  # noqa: E402
from rfcn_voc import agreement, sample  # noqa: E402
from tests.conftest import read_json, write_data  # noqa: E402
from tests.fake import FakeModel  # noqa: E402


@pytest.fixture
def one_picture(monkeypatch):
    """The embedded default with one picture only: each takes seconds, twice."""
    monkeypatch.setattr(sample, "OBJECTS", {"chelsea": sample.OBJECTS["chelsea"]})


@pytest.mark.usefixtures("one_picture")
def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(
    seeded_onnx, tmp_path, monkeypatch, capsys
):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download faster_rcnn_2_12_5010.pth")

    monkeypatch.setattr(download, "fetch", unavailable)
    # The file is there already, from the same weights.
    monkeypatch.setattr(evaluate, "export_form", lambda network, model, out, form: os.link(seeded_onnx, out))
    assert evaluate.main(["--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "WARNING: could not download faster_rcnn_2_12_5010.pth" in captured.err
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in captured.err
    assert "agreement with torch on 1 pictures:\n  rois: largest difference" in captured.out
    assert f"measured on {sample.WHAT}; seeded random weights" in captured.out
    report = read_json(tmp_path / "metrics.json")
    assert report["dataset"] == sample.WHAT
    assert report["why"] == f"{sample.WHAT}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert report["metrics"]["regions as torch's"] >= 0.9
    assert 0 <= report["metrics"]["agreement with torch"] <= 1
    assert report["metrics"]["largest difference from torch, cls_prob"] <= 1e-4
    made = {path.name for path in tmp_path.iterdir() if not path.name.startswith("comp4_det_test_")}
    assert made == {"rfcn_1.onnx", "rfcn_final.onnx", "metrics.json", "sample"}
    operators = {node.op_type for node in load(tmp_path / "rfcn_final.onnx", check=False).graph.node}
    assert {"BatchMultiClassNMS", "PSROIPooling"} <= operators


# Without a network


@pytest.fixture
def data(tmp_path):
    """Two pictures with a dog each, one of which is where the fake model finds one."""
    folder = tmp_path / "VOC2007"
    (folder / "JPEGImages").mkdir(parents=True)
    for name in ("second", "first"):
        Image.new("RGB", (64, 64), (90, 80, 70)).save(folder / "JPEGImages" / f"{name}.jpg")
    return write_data(folder, {"second": [("dog", (14, 8, 52, 58), 0)], "first": [("dog", (1, 1, 9, 9), 0)]})


@pytest.fixture
def fake(monkeypatch):
    model = FakeModel()
    monkeypatch.setattr(evaluate, "open_deployed", lambda *_: model)
    return model


@pytest.fixture
def like_torch(monkeypatch):
    """Let torch's side give what the fake model gives, changed as the test says; return what it is given."""

    def set_up(change=lambda outputs: None):
        given = []

        def run(network, *inputs):
            given.append(inputs)
            outputs = FakeModel().run({"im_data": inputs[0]})
            change(outputs)
            return outputs

        monkeypatch.setattr(evaluate, "load", lambda *_: (torch.nn.Identity(), None))
        monkeypatch.setattr(evaluate, "run_torch", run)
        return given

    return set_up


def test_the_original_form_is_exported_and_compared_with_im_info(like_torch, tmp_path, monkeypatch, capsys):
    given, asked = like_torch(), []
    model = FakeModel(original=True)
    monkeypatch.setattr(evaluate, "open_deployed", lambda *_: model)
    monkeypatch.setattr(evaluate, "export_form", lambda *words: asked.append(words[2:]))
    monkeypatch.setattr(evaluate, "adapt", lambda *_: pytest.fail("the original form is not for ATC"))
    assert evaluate.main(["--form", "original", "--out", str(tmp_path)]) == 0
    assert asked == [(tmp_path / "rfcn_1.onnx", "original")]
    assert [info.tolist()[0][:2] for _, info in given] == [[512, 512], [600, 512], [512, 770], [512, 768]]
    report = read_json(tmp_path / "metrics.json")
    assert report["why"] == sample.WHAT
    assert report["metrics"]["agreement with torch"] == 1
    assert report["metrics"]["regions as torch's"] == 1
    assert (
        "agreement with torch on 4 pictures:\n  rois: largest difference 0.00e+00" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("output", "row", "value", "message"),
    [
        (2, slice(None), 0.01, "output 'bbox_pred' differs from torch by 1.00e-02"),
        (1, 0, 0.01, "output 'cls_prob' differs from torch by 1.00e-02"),
        (0, slice(0, 299), 700, "0.3 % of torch's regions are the same, fewer than 90 %"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_an_onnx_file_of_another_checkpoint_is_found_out(
    output, row, value, message, like_torch, tmp_path, capsys
):
    def change(outputs):
        outputs[output][0, row] += np.float32(value)

    like_torch(change)
    assert evaluate.main(["--model", "a.onnx", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert "Was the ONNX file exported from this checkpoint?" in captured.err
    # The figures are there all the same.
    assert "agreement with torch on 4 pictures" in captured.out
    assert read_json(tmp_path / "metrics.json")["verdict"] == "not comparable"


def measure(data, out, *more):
    return evaluate.main(["--model", "a.onnx", "--data", str(data), "--out", str(out), *more])


def test_detections_and_figures_are_written(fake, data, tmp_path, capsys):
    assert measure(data, tmp_path / "out") == 0
    found = (tmp_path / "out" / "comp4_det_test_dog.txt").read_text()
    line = "0.900 13.8 7.4 52.3 58.7\n"
    assert found == f"second {line}first {line}"
    report = read_json(tmp_path / "out" / "metrics.json")
    # The dog that is found comes first among equal scores; recall 0.5 is half of the way.
    assert report["metrics"]["AP dog"] == pytest.approx(6 / 11)
    assert (report["backend"], report["why"]) == ("fake", "2 of the 4952 pictures of VOC2007 test")
    assert fake.closed
    assert "out: the objects in 2 pictures, comp4_det_test_<class>.txt\n" in capsys.readouterr().out


def test_limit_takes_the_first_pictures_of_the_list(fake, data, tmp_path):
    assert measure(data, tmp_path / "out", "--limit", "1") == 0
    assert len(fake.fed) == 1
    assert (tmp_path / "out" / "comp4_det_test_dog.txt").read_text().split()[0] == "second"
    assert read_json(tmp_path / "out" / "metrics.json")["why"] == "1 of the 4952 pictures of VOC2007 test"


def test_every_picture_is_given_with_its_own_im_info(data, tmp_path, monkeypatch, capsys):
    Image.new("RGB", (300, 50)).save(data / "JPEGImages" / "first.jpg")
    model = FakeModel(original=True)
    monkeypatch.setattr(evaluate, "open_deployed", lambda *_: model)
    assert measure(data, tmp_path / "out") == 0
    scale = np.float32(512 / 50)
    assert [fed["im_info"].tolist() for fed in model.fed] == [[[512, 512, 8]], [[512, 3072, scale]]]
    assert "note: 1 of 2 pictures are cut on the right or at the bottom" in capsys.readouterr().out


@pytest.mark.usefixtures("fake")
def test_batches_of_more_than_one_picture_are_refused(data, tmp_path, capsys):
    assert measure(data, tmp_path / "out", "--batch-size", "2") == 1
    assert "the model was built for batches of 1; --batch-size 2 is more" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_a_damaged_picture_is_named(data, tmp_path, capsys):
    path = data / "JPEGImages" / "first.jpg"
    Image.effect_noise((200, 200), 90).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    assert measure(data, tmp_path / "out") == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: the picture is damaged (")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "a.onnx", "--checkpoint", "b.pth", "--data", "voc"], "--checkpoint beside --model"),
        (
            ["--model", "a.onnx", "--form", "original"],
            "--form is for an export; the file of --model has its form",
        ),
        (["--form", "other"], "--form: invalid choice: 'other'"),
        (["--limit", "0"], "--limit: expected a whole number of at least 1"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("mistake", ["no data set", "a missing picture"])
def test_a_mistake_in_the_data_is_told_before_an_export(mistake, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "load", lambda *_: pytest.fail("the network was loaded"))
    if mistake == "no data set":
        data, message = tmp_path / "nowhere", "nowhere: not the VOC2007 data set"
    else:
        (data / "JPEGImages" / "first.jpg").unlink()
        message = "1 of the 2 pictures in "
    assert evaluate.main(["--data", str(data), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_network_is_refused(data, tmp_path, capsys):
    from onnx import TensorProto, helper, save

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("im_data", "rois")]
    graph = helper.make_graph([helper.make_node("Relu", ["im_data"], ["rois"])], "g", value[:1], value[1:])
    path = tmp_path / "x.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    assert evaluate.main(["--model", str(path), "--data", str(data), "--out", str(tmp_path / "out")]) == 1
    assert "x.onnx: not R-FCN: expected inputs and outputs" in capsys.readouterr().err


# Agreement


def regions(seed=0):
    rng = np.random.default_rng(seed)
    rois = np.concatenate((np.zeros((300, 1)), np.floor(rng.uniform(0, 900, (300, 4))) + 0.25), axis=1)
    return [values.astype(np.float32) for values in (rois, rng.random((300, 21)), rng.random((300, 84)))]


def test_regions_are_compared_by_place_and_not_by_order():
    wanted = regions()
    order = np.random.default_rng(1).permutation(300)
    found = [rows[order].copy() for rows in wanted]
    found[0][:, 1] += np.float32(0.03)
    found[1][5, 7] += np.float32(0.5)
    found[0][:30, 2] += 400  # others, one of which is that of row 5
    largest, share = agreement.compare_regions(found, wanted)
    assert share == pytest.approx(0.9)
    np.testing.assert_allclose(largest, [0.03, 0, 0], atol=1e-4)
    found[1][40, 7] += np.float32(0.5)
    assert agreement.compare_regions(found, wanted)[0][1] == pytest.approx(0.5)


def test_regions_that_are_rounded_to_other_cells_count_as_the_same_but_not_for_the_head():
    wanted = regions()
    wanted[0][3, 1] = 20.49
    found = [rows.copy() for rows in wanted]
    found[0][3, 1] = 20.51
    found[1][3] += 1
    largest, share = agreement.compare_regions(found, wanted)
    assert share == 1
    assert largest.tolist() == [0, 0, 0]


def test_without_any_equal_region_nothing_agrees():
    found = regions()
    found[0][:, 1:] += 5000
    largest, share = agreement.compare_regions(found, regions())
    assert (share, largest.tolist()) == (0, [np.inf] * 3)


@pytest.mark.parametrize("share", [0.0, 0.89, float("nan")])
def test_too_few_equal_regions_are_refused(share):
    with pytest.raises(
        agreement.GuideError, match=r"% of torch's regions are the same, fewer than 90 %\. Why\?"
    ):
        agreement.check_regions(share, "Why?")
    agreement.check_regions(0.9, "Why?")


def test_equal_objects_are_counted_once_each():
    objects = np.array([[0, 0, 10, 10, 0.9, 3], [50, 50, 60, 60, 0.8, 3]], np.float32)
    moved = objects + np.float32([0.4, 0, 0, 0, 0.0005, 0])
    assert agreement.count_same(objects, moved) == 2
    assert agreement.count_same(objects, objects + np.float32([0.6, 0, 0, 0, 0, 0])) == 0
    assert agreement.count_same(objects, objects + np.float32([0, 0, 0, 0, 0, 1])) == 0
    assert agreement.count_same(objects, objects + np.float32([0, 0, 0, 0, 0.002, 0])) == 0
    assert agreement.count_same(objects, np.concatenate((moved[:1], moved[:1]))) == 1
    assert agreement.count_same(objects, objects[:0]) == 0


@pytest.mark.parametrize(("counts", "share"), [((0, 0, 0), 1.0), ((4, 4, 4), 1.0), ((4, 2, 2), 0.5)])
def test_agreement_is_a_share_of_all_objects(counts, share):
    assert agreement.Agreement(1, (0.0,) * 3, 1.0, *counts).share == share
