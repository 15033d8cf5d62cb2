"""The guide's steps one after the other, as a user types them: whole, in parts, against the streamed evaluation."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

import get_info
import postprocess
import preprocess
from common import infer
from common.engine.shard import Shard
from rfcn_voc import detections, voc
from rfcn_voc.task import prepare_picture
from tests.conftest import FACTS, read_json, write_data

# In the order of test.txt; of two parts, x and 000004 are the second.
SIZES = {"x.y": (90, 60), "000004": (64, 96), "000001": (80, 80), "a_b": (50, 40), "wide": (330, 60)}
TRUTH = {
    "x.y": [("dog", (5, 5, 60, 50), 0)],
    "000004": [("dog", (1, 1, 64, 96), 0), ("cat", (3, 3, 20, 20), 1)],
    "000001": [("person", (10, 10, 70, 70), 0)],
    "a_b": [],
    "wide": [("car", (1, 1, 300, 60), 0)],
}
STEMS = ["x", "000004", "000001", "a_b", "wide"]
BYTES = 21676032


def write_pictures(folder, names):
    """Write random pictures and their annotations in VOC's tree; without loss, whatever the suffix says."""
    rng = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).resize((width, height))
        if name in names:
            path = folder / "JPEGImages" / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse.save(path, format="PNG")
    return write_data(folder, {name: TRUTH[name] for name in names})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Five pictures: names with dots and underscores, one too wide for the canvas."""
    return write_pictures(tmp_path_factory.mktemp("five") / "VOC2007", list(SIZES))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results for the five pictures that no network made: regions and probabilities drawn at random."""
    folder = tmp_path_factory.mktemp("five") / "result" / "dumpOutput_device0"
    folder.mkdir(parents=True)
    for i, stem in enumerate(STEMS):
        rng = np.random.default_rng(i)
        corners = np.sort(rng.uniform(0, 500, (300, 2, 2)), axis=1).reshape(300, 4)
        rois = np.concatenate((np.zeros((300, 1)), corners), axis=1)
        probabilities, moves = rng.dirichlet(np.full(21, 0.2), 300), rng.normal(0, 0.5, (300, 84))
        name = list(SIZES)[i]
        for row, (category, box, _) in enumerate(TRUTH[name]):  # what is there is found
            rois[row, 1:] = (np.array(box) - 1) * 512 / min(SIZES[name])
            number = voc.CLASSES.index(category) + 1
            probabilities[row], moves[row] = np.eye(21)[number], 0
        for k, output in enumerate((rois, probabilities, moves), 1):
            output.astype(np.float32).tofile(folder / f"{stem}_{k}.bin")
    return folder


def words(results, data, out, *more):
    return ["--input", str(results), "--data", str(data), "--output", str(out), *more]


def files(folder):
    found = {path.name: path.read_text() for path in folder.glob("comp4_det_test_*.txt")}
    assert len(found) == 20
    return found


def metrics(folder):
    return read_json(folder / "metrics.json")["metrics"]


def same(folder, scored):
    """Check that both directories have the same detections and figures."""
    assert files(folder) == files(scored)
    assert metrics(folder) == metrics(scored)


@pytest.fixture(scope="module")
def scored(tmp_path_factory, data, results):
    out = tmp_path_factory.mktemp("five") / "scored"
    assert postprocess.main(words(results, data, out)) == 0
    return out


def linked(results, folder, stems=STEMS, first=1):
    """The results of some pictures under other numbers or in another place, without copying them."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        for k in range(3):
            os.link(results / f"{stem}_{k + 1}.bin", folder / f"{stem}_{k + first}.bin")
    return folder


def stems_of(number, count):
    return [stem for stem in STEMS if stem in Shard(number, count)]


# Preprocessing


def test_the_guides_preprocessing_and_list(data, tmp_path, monkeypatch, capsys):
    shutil.copytree(data, tmp_path / "data" / "VOCdevkit2007" / "VOC2007")
    monkeypatch.chdir(tmp_path)
    guide = ["--file_path", "./data/VOCdevkit2007/VOC2007/JPEGImages/", "--bin_path", "./bin"]
    assert preprocess.main([*guide, "--info_name", "demo.info"]) == 0
    made = sorted(path.name for path in (tmp_path / "bin").glob("*.bin"))
    assert made == sorted(f"{stem}.bin" for stem in STEMS)
    for stem, name in zip(STEMS, SIZES, strict=True):
        inputs, placed = prepare_picture(data / "JPEGImages" / f"{name}.jpg")
        content = (tmp_path / "bin" / f"{stem}.bin").read_bytes()
        assert len(content) == BYTES == preprocess.BYTES
        assert content == inputs["im_data"].tobytes()
    # im_info keeps what the canvas does not hold.
    assert placed.im_info.tolist() == [512, 2816, np.float32(512 / 60)]
    printed = capsys.readouterr().out
    assert (
        "note: 1 of 5 pictures are cut on the right or at the bottom, beyond 1344 resized pixels" in printed
    )
    assert printed.endswith(f"bin: 5 .bin files of {BYTES} bytes\ndemo.info: 5 inputs\n")
    lines = (tmp_path / "demo.info").read_text()
    assert lines == "".join(f"{i} bin/{stem}.bin 1344 1344\n" for i, stem in enumerate(STEMS))
    # get_info lists the same files by name.
    assert get_info.main(["bin", "./bin", "./other.info", "1344", "1344"]) == 0
    expected = [f"{i} ./bin/{stem}.bin 1344 1344" for i, stem in enumerate(sorted(STEMS))]
    assert (tmp_path / "other.info").read_text().splitlines() == expected

    # Interrupted and run again with its defaults, data and bin, it goes on with what is missing.
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "bin").glob("*.bin")}
    (tmp_path / "bin" / "a_b.bin").unlink()
    (tmp_path / "bin" / "x.bin").write_bytes(bytes(99))
    (tmp_path / "bin" / "stranger.bin").touch()
    capsys.readouterr()
    assert preprocess.main([]) == 0
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "bin").glob("*.bin")}
    assert {name for name in before if after[name] == before[name]} == {*before} - {"a_b.bin", "x.bin"}
    assert (tmp_path / "bin" / "a_b.bin").stat().st_size == BYTES
    assert "note: 1 more .bin files there belong to other pictures: stranger\n" in capsys.readouterr().out


def test_a_part_is_preprocessed_and_listed_alone(data, tmp_path, capsys):
    arguments = ["--data", str(data), "--out", str(tmp_path / "bin"), "--info", str(tmp_path / "a.info")]
    assert preprocess.main([*arguments, "--shard", "2/2"]) == 0
    assert {path.stem for path in (tmp_path / "bin").glob("*.bin")} == {*stems_of(2, 2)} == {"x", "000004"}
    assert len((tmp_path / "a.info").read_text().splitlines()) == 2
    printed = capsys.readouterr().out
    assert f"bin: 2 .bin files of {BYTES} bytes, shard 2/2 of 5\n" in printed
    assert "cut" not in printed  # the wide one is in the other part
    assert "more .bin files" not in printed


def test_a_damaged_picture_is_named_and_leaves_no_file(tmp_path, capsys):
    folder = write_pictures(tmp_path / "VOC2007", ["x.y"])
    path = folder / "JPEGImages" / "x.y.jpg"
    path.write_bytes(path.read_bytes()[:600])
    assert preprocess.main(["--data", str(folder), "--out", str(tmp_path / "bin")]) == 1
    assert capsys.readouterr().err.startswith(f"error: x: {path}: the picture is truncated: ")
    assert not list((tmp_path / "bin").glob("*.bin"))


@pytest.mark.parametrize("step", [preprocess, postprocess])
def test_without_the_data_set_the_tree_is_shown(step, results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert step.main([] if step is preprocess else ["--input", str(results)]) == 1
    assert capsys.readouterr().err.startswith(
        "error: data: not the VOC2007 data set: no data/ImageSets/Main/"
    )
    assert list(tmp_path.iterdir()) == []


# Postprocessing


@pytest.mark.parametrize("kind", ["from 0", "text"])
def test_results_of_all_tools_give_the_same_files(kind, results, data, scored, tmp_path):
    folder = tmp_path / "result"
    if kind == "from 0":
        linked(results, folder, first=0)
    else:
        folder.mkdir()
        for path in results.iterdir():
            infer.write_output(folder / f"{path.stem}.txt", np.fromfile(path, np.float32))
    assert postprocess.main(words(folder, data, tmp_path / "out")) == 0
    same(tmp_path / "out", scored)


def test_the_guides_command_with_its_default_data(results, data, scored, tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(data)
    monkeypatch.chdir(tmp_path)
    assert postprocess.main([f"--input={results}/", "--output", "out"]) == 0
    same(tmp_path / "out", scored)
    printed = capsys.readouterr().out
    for line in (
        "out: the objects in 5 pictures\n",
        "measured on 5 of the 4952 pictures of VOC2007 test:\n",
        f"Mean AP = {metrics(scored)['mAP']:.4f}\n",
        "note: 1 of 5 pictures are cut on the right",
        "published: on VOC2007 test",
    ):
        assert line in printed
    report = read_json(tmp_path / "out" / "metrics.json")
    assert (report["model"], report["dataset"], report["images"]) == ("rfcn", "VOC2007 test", 5)
    assert (report["comparable"], report["verdict"]) == (False, "not comparable")
    assert report["seconds"].keys() == {"postprocess", "evaluate", "total"}


def test_every_line_is_a_box_inside_its_picture(scored):
    found = files(scored)
    lines = [line for text in found.values() for line in text.splitlines()]
    assert {line.split()[0] for line in lines} == set(SIZES)
    for line in lines:
        assert re.fullmatch(r"\S+ [01]\.\d{3}( \d+\.\d){4}", line)
        picture, score, *box = line.split()
        left, top, right, bottom = map(float, box)
        width, height = SIZES[picture]
        assert 1 <= left <= right <= width + 1
        assert 1 <= top <= bottom <= height + 1
        assert 0 <= float(score) <= 1
    # The canvas holds the wide one's first 157 columns, but boxes may reach beyond: im_info is of all of it.
    cars = found["comp4_det_test_car.txt"].splitlines()
    assert 299 < max(float(line.split()[4]) for line in cars if "wide" in line) <= 331
    assert metrics(scored)["mAP"] == pytest.approx(3 / 20)


@pytest.mark.parametrize(("published", "code", "verdict"), [(0.1, 0, "PASS"), (0.9, 1, "FAIL")])
def test_a_whole_data_set_gets_a_verdict(published, code, verdict, scored, data, tmp_path, monkeypatch):
    accuracy = replace(
        FACTS.accuracy, images=5, counts={"objects": 5}, names=None, published={"mAP": published}
    )
    monkeypatch.setattr(postprocess, "read_facts", lambda folder: replace(FACTS, accuracy=accuracy))
    arguments = ["--detections", str(scored), "--data", str(data), "--out", str(tmp_path)]
    assert postprocess.main(arguments) == code
    report = read_json(tmp_path / "metrics.json")
    assert (report["verdict"], report["comparable"]) == (verdict, True)


def test_stored_detections_are_scored_again_without_pictures(scored, data, tmp_path):
    shutil.copytree(data, tmp_path / "VOC2007", ignore=shutil.ignore_patterns("JPEGImages"))
    again = tmp_path / "again"
    arguments = ["--detections", str(scored), "--data", str(tmp_path), "--out", str(again)]
    assert postprocess.main(arguments) == 0
    assert metrics(again) == metrics(scored)
    assert {path.name for path in again.iterdir()} == {"metrics.json", "details", "report.md", "report.html"}
    report = read_json(again / "metrics.json")
    assert (report["backend"], report["precision"]) == (None, None)
    assert report["seconds"].keys() == {"evaluate", "total"}


def test_the_files_of_a_killed_run_are_not_scored_as_those_of_one(
    results, data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    assert postprocess.main(words(results, data, out)) == 0
    before, write = files(out), detections.write_text

    def killed_at_the_cat(path, text):
        if "cat" in path.name:
            raise KeyboardInterrupt
        write(path, text.replace("0.", "0.0"))

    monkeypatch.setattr(detections, "write_text", killed_at_the_cat)
    assert postprocess.main(words(results, data, out)) == 130
    assert files(out) != before
    again = ["--detections", str(out), "--data", str(data), "--out", str(out)]
    assert postprocess.main(again) == 1
    assert f"{out}: the run that wrote the detections was interrupted" in capsys.readouterr().err
    monkeypatch.undo()
    assert postprocess.main(words(results, data, out)) == 0
    assert postprocess.main(again) == 0
    assert files(out) == before


NAN = np.full((300, 84), np.nan, np.float32).tobytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            {f"wide_{k}": None for k in (1, 2, 3)},
            "no result for wide (1 in all). Run the inference again for them.",
        ),
        ({"stranger_1": b""}, "results that belong to no input: stranger (1 in all)"),
        ({"wide_3": None}, "expected 3 outputs per input, as many for all"),
        ({"wide_3": bytes(100)}, "wide_3.bin: expected 100800 bytes (300x84 float32), found 100."),
        ({"wide_3": bytes(50400)}, "Half the size: was the model converted with --output_type=FP16?"),
        ({"wide_3": NAN}, "wide_3.bin: holds values that are not finite"),
        (
            {"x_1": bytes(25200), "x_2": bytes(6000)},
            "x_1.bin: expected 6000 bytes (300x5 float32), found 25200",
        ),
    ],
    ids=[
        "missing",
        "extra",
        "one output less",
        "wrong size",
        "half precision",
        "not finite",
        "another order",
    ],
)
def test_unfitting_results_are_told_in_one_message(damage, message, results, data, tmp_path, capsys):
    """`damage`: by name what is in a file instead, None for no file."""
    folder = linked(results, tmp_path / "results")
    for name, content in damage.items():
        path = folder / f"{name}.bin"
        path.unlink(missing_ok=True)  # a link to what other tests read
        if content is not None:
            path.write_bytes(content)
    assert postprocess.main(words(folder, data, tmp_path / "out")) == 1
    found = capsys.readouterr().err
    assert found.startswith("error: ")
    assert message in found
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shards", [[], ["1/2", "2/2"]], ids=["whole", "parts"])
def test_a_missing_annotation_is_named_and_what_was_found_is_kept(
    shards, results, data, scored, tmp_path, capsys
):
    shutil.copytree(data, tmp_path / "VOC2007")
    path = tmp_path / "VOC2007" / "Annotations" / "a_b.xml"
    content = path.read_bytes()
    path.unlink()
    arguments = [words(results, tmp_path, tmp_path / "out", "--shard", part) for part in shards]
    *first, last = arguments or [words(results, tmp_path, tmp_path / "out")]
    assert all(postprocess.main(each) == 0 for each in first)
    assert postprocess.main(last) == 1
    assert f"error: 1 of the 5 annotations are missing: {path}; expected:" in capsys.readouterr().err
    assert files(tmp_path / "out") == files(scored)
    path.write_bytes(content)
    assert postprocess.main(last) == 0
    same(tmp_path / "out", scored)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "one of the arguments --results/--input --detections is required"),
        ("--results a --detections b", "not allowed with argument"),
        ("--detections b --shard 1/2", "--shard takes part of the results, not of stored detections"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(arguments, message, run):
    done = run("postprocess.py", *arguments.split())
    assert done.returncode == 2
    assert message in done.stderr


# Parts


@pytest.mark.parametrize("apart", [False, True], ids=["one directory", "a directory each"])
@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_parts_in_any_order_give_the_files_of_the_whole(
    order, apart, results, data, scored, tmp_path, capsys
):
    out, printed = tmp_path / "out", []
    for number in order:
        folder = linked(results, tmp_path / f"results_{number}", stems_of(number, 2)) if apart else results
        assert not (out / "metrics.json").exists()
        assert postprocess.main(words(folder, data, out, "--shard", f"{number}/2")) == 0
        printed.append(capsys.readouterr().out)
        count = len(stems_of(number, 2))
        assert f"shard {number}/2: the objects in {count} pictures are stored\n" in printed[-1]
    assert f"run the other shards with the same --out: {order[1]}/2 missing\n" in printed[0]
    assert ["Mean AP" in text for text in printed] == [False, True]
    assert "out: the objects in 5 pictures\n" in printed[1]
    same(out, scored)
    assert not list(out.glob("shard*"))


def test_more_parts_than_pictures_are_no_obstacle(results, data, scored, tmp_path, capsys):
    empty = [number for number in range(1, 8) if not stems_of(number, 7)]
    assert empty
    for number in range(1, 8):
        assert postprocess.main(words(results, data, tmp_path / "out", "--shard", f"{number}/7")) == 0
        nothing = f"shard {number}/7: none of the pictures belongs to it; nothing to do\n"
        assert (nothing in capsys.readouterr().out) == (number in empty)
    same(tmp_path / "out", scored)


def test_a_part_must_be_complete_and_its_results_of_the_data_set(results, data, tmp_path, capsys):
    folder = linked(results, tmp_path / "results", ["000004", "wide"])
    arguments = words(folder, data, tmp_path / "out", "--shard", "2/2")
    assert postprocess.main(arguments) == 1
    assert "no result for x (1 in all)" in capsys.readouterr().err
    linked(results, folder, ["x"])
    (folder / "stranger_1.bin").touch()
    assert postprocess.main(arguments) == 1
    assert "results that belong to no input: stranger (1 in all)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    (folder / "stranger_1.bin").unlink()
    (folder / "wide_2.bin").unlink()  # of another part, which is being made
    assert postprocess.main(arguments) == 0


def test_a_part_that_is_run_again_and_fails_is_not_joined(results, data, scored, tmp_path, capsys):
    folder, out = linked(results, tmp_path / "results"), tmp_path / "out"
    count = 3
    parts = [number for number in range(1, count + 1) if stems_of(number, count)]
    commands = [words(folder, data, out, "--shard", f"{number}/{count}") for number in parts]
    assert [postprocess.main(command) for command in commands[:-1]] == [0] * (len(parts) - 1)
    deleted = sorted(folder.glob(f"{stems_of(parts[0], count)[0]}_*.bin"))
    for path in deleted:
        path.unlink()
    assert [postprocess.main(command) for command in commands] == [1] + [0] * (len(parts) - 1)
    printed = capsys.readouterr().out
    assert f"run the other shards with the same --out: {parts[0]}/{count} missing\n" in printed
    assert "Mean AP" not in printed
    assert not (out / "metrics.json").exists()
    linked(results, folder, [deleted[0].stem[:-2]])
    assert postprocess.main(commands[0]) == 0
    same(out, scored)


# With a network


@pytest.fixture(scope="module")
def steps(tmp_path_factory, onnx):
    """The file route with the twin, part after part, each part's .bin files removed after its inference."""
    root = tmp_path_factory.mktemp("steps")
    write_pictures(root / "VOC2007", ["000004", "000001"])
    for part in ("2/2", "1/2"):
        shard = ["--shard", part]
        made = ["--data", str(root), "--out", str(root / "bin"), "--info", str(root / "demo.info")]
        assert preprocess.main([*made, *shard]) == 0
        if part == "2/2":  # listed with those of other parts, which are not there
            with (root / "demo.info").open("a") as file:
                file.write(f"1 {root / 'bin'}/000001.bin 1344 1344\n")
        arguments = ["--model", str(onnx), "--input", str(root / "demo.info"), "--out"]
        assert infer.main([*arguments, str(root / "result"), *shard]) == 0
        for path in (root / "bin").glob("*.bin"):
            path.unlink()
    assert postprocess.main(words(root / "result", root, root / "scored")) == 0
    return root


def test_inference_in_parts_gives_all_results(steps):
    names = {path.name for path in (steps / "result" / "dumpOutput_device0").iterdir()}
    assert names == {f"{stem}_{k}.bin" for stem in ("000001", "000004") for k in (1, 2, 3)}
    report = read_json(steps / "scored" / "metrics.json")
    assert (report["backend"], report["precision"], report["images"]) == ("onnxruntime", "float32", 2)


def test_stored_parts_know_the_network_of_the_inference(steps, tmp_path, capsys):
    out = tmp_path / "out"
    assert postprocess.main(words(steps / "result", steps, out, "--shard", "1/2")) == 0
    run = read_json(steps / "result" / "infer.json")
    other = linked(steps / "result" / "dumpOutput_device0", tmp_path / "other", ["000001", "000004"])
    (other / "infer.json").write_text(json.dumps({**run, "model": "another"}))
    capsys.readouterr()
    assert postprocess.main(words(other, steps, out, "--shard", "2/2")) == 0
    printed = capsys.readouterr().out
    assert "1 results of another network or other settings are not used" in printed
    assert "run the other shards with the same --out: 1/2 missing" in printed


def test_the_streamed_route_gives_the_same_files(steps, onnx, tmp_path, run):
    done = run("evaluate.py", "--model", onnx, "--data", steps, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert any(files(tmp_path / "out").values())
    same(tmp_path / "out", steps / "scored")
