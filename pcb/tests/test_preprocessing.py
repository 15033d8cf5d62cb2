"""Preprocessing: the reference's bytes, the plain formula, damaged pictures, interrupted runs, the guide's flags."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

import preprocess
from common.errors import GuideError
from pcb_market.preprocessing import network_input, read_person
from pcb_market.task import prepare_picture
from tests.conftest import read_json, write_person

FOLDERS = ("query_preproc_data_Ascend310", "gallery_preproc_data_Ascend310")


def test_reference_pictures_give_the_reference_files(market_tiny, cases, tmp_path):
    stored = read_json(cases / "market_tiny" / "preprocess.json")
    assert preprocess.main(["--data", str(market_tiny), "--out", str(tmp_path)]) == 0
    for part, folder in stored["folders"].items():
        files = {path.name: path for path in (tmp_path / folder).glob("*.bin")}
        assert files.keys() == stored["bins"][part].keys()
        for name, wanted in stored["bins"][part].items():
            assert hashlib.sha256(files[name].read_bytes()).hexdigest() == wanted["sha256"]


def test_every_value_is_normalised_in_the_originals_order():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 1, 3))
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    wanted = (ramp.astype(np.float32) / np.float32(255) - mean) / deviation
    found = network_input(ramp)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted.transpose(2, 0, 1))


def test_a_picture_of_the_networks_size_is_not_resized(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (384, 128, 3), np.uint8)
    write_person(tmp_path / "a.jpg", pixels)
    np.testing.assert_array_equal(read_person(tmp_path / "a.jpg"), pixels)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_pictures_of_other_modes_become_rgb(mode, tmp_path):
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new("RGB", (64, 128), (200, 30, 40)).convert(mode).save(tmp_path / f"a.{suffix}")
    inputs, _ = prepare_picture(tmp_path / f"a.{suffix}")
    assert (inputs["input_1"].shape, inputs["input_1"].dtype) == ((3, 384, 128), np.float32)


def jpeg(folder):
    path = folder / "a.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (128, 64, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize("kept", [2, 100, 1000, 3000])
def test_a_truncated_picture_is_named(kept, tmp_path):
    path = jpeg(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(GuideError, match=f"{path}: "):
        read_person(path)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_a_file_that_is_no_picture_is_named(content, tmp_path):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(GuideError, match="a.jpg: "):
        read_person(tmp_path / "a.jpg")


def test_a_missing_picture_is_named(tmp_path):
    with pytest.raises(GuideError, match="a.jpg: no such picture"):
        read_person(tmp_path / "a.jpg")


def contents(folder):
    return {path: path.read_bytes() for name in FOLDERS for path in (folder / name).glob("*.bin")}


def test_an_interrupted_run_goes_on_and_ends_the_same(data, tmp_path):
    arguments = ["--data", str(data), "--out", str(tmp_path)]
    assert preprocess.main(arguments) == 0
    wanted = contents(tmp_path)
    assert len(wanted) == 3 + 6
    lost, cut, kept, *_ = wanted
    lost.unlink()
    cut.write_bytes(b"half")
    before = kept.stat().st_mtime_ns
    assert preprocess.main(arguments) == 0
    assert contents(tmp_path) == wanted
    assert kept.stat().st_mtime_ns == before


def test_a_picture_that_was_replaced_is_done_again(data, tmp_path):
    arguments = ["--data", str(data), "--out", str(tmp_path)]
    assert preprocess.main(arguments) == 0
    before = contents(tmp_path)
    write_person(data / "query" / "0001_c1s1_000001_00.jpg", np.zeros((128, 64, 3), np.uint8))
    assert preprocess.main(arguments) == 0
    changed = [path.name for path, content in contents(tmp_path).items() if content != before[path]]
    assert changed == ["0001_c1s1_000001_00.bin"]


def test_a_damaged_picture_ends_the_run_in_one_message(data, tmp_path, capsys):
    path = data / "bounding_box_test" / "0001_c2s1_000003_01.jpg"
    path.write_bytes(path.read_bytes()[:200])
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path.stem}: {path}: ")
    assert "Traceback" not in message


def test_the_guides_command_works(data, tmp_path, run):
    done = run(
        "preprocess.py",
        *("-d", "market", "-b", 1, "--height", 384, "--width", 128),
        *("--data-dir", data, "-j", 4, "--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "  gallery  |     4 |        6" in done.stdout
    assert f"{tmp_path / FOLDERS[1]}: 6 .bin files of 589824 bytes" in done.stdout


@pytest.mark.parametrize("flags", [["-d", "cuhk03"], ["--height", "256"], ["-j", "0"]])
def test_what_the_network_cannot_take_is_wrong_usage(flags, data, capsys):
    with pytest.raises(SystemExit) as stop:
        preprocess.main(["--data", str(data), *flags])
    assert stop.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_files_of_other_pictures_are_noted(data, tmp_path, capsys):
    (tmp_path / FOLDERS[0]).mkdir(parents=True)
    (tmp_path / FOLDERS[0] / "stranger.bin").touch()
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path)]) == 0
    assert "note: 1 more .bin files there belong to other pictures: stranger" in capsys.readouterr().out
