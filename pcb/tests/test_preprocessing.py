"""Preprocessing: the reference's bytes, the plain formula, damaged pictures, the guide's flags."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import preprocess
from ascend_tools.testing import pictures
from pcb_market.market import Picture
from pcb_market.preprocessing import enlarge, network_input, read_person
from pcb_market.task import prepare, prepare_picture
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


@given(
    size=st.one_of(st.just((64, 128)), st.tuples(st.integers(1, 300), st.integers(1, 500))),
    kind=st.sampled_from([256, 2, 5, 255]),
    seed=st.integers(0, 2**16),
)
def test_a_picture_of_any_size_is_resized_as_pillow_does(size, kind, seed, tmp_path_factory):
    pixels = np.random.default_rng(seed).integers(0, kind, (*size[::-1], 3), np.uint8)
    pixels *= 255 if kind == 2 else 1
    path = tmp_path_factory.mktemp("person") / "a.png"
    Image.fromarray(pixels).save(path, compress_level=0)
    with Image.open(path) as opened:
        expected = np.asarray(opened.convert("RGB").resize((128, 384), Image.Resampling.BILINEAR))
    found = read_person(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_every_pair_of_values_is_mixed_as_pillow_does():
    """Two neighbours are mixed at a time: all pairs, along rows and along columns."""
    pairs = np.stack(np.broadcast_arrays(np.arange(256), np.arange(256)[:, None]), axis=-1).astype(np.uint8)
    across, down = pairs.reshape(-1, 128, 64), pairs.reshape(-1, 128, 1).repeat(64, axis=2)
    for planes in (across, down):
        for start in range(0, len(planes), 3):
            pixels = np.stack([planes[i % len(planes)] for i in range(start, start + 3)], axis=-1)
            expected = Image.fromarray(pixels).resize((128, 384), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(enlarge(pixels), np.asarray(expected))


def test_a_damaged_picture_ends_the_run_in_one_message(data, tmp_path, capsys):
    path = data / "bounding_box_test" / "0001_c2s1_000003_01.jpg"
    path.write_bytes(path.read_bytes()[:200])
    assert preprocess.main(["--data", str(data), "--out", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {path.stem}: {path}: ")
    assert "Traceback" not in message


def test_the_guides_command_works_and_notes_files_of_other_pictures(data, tmp_path, run):
    (tmp_path / FOLDERS[0]).mkdir()
    (tmp_path / FOLDERS[0] / "stranger.bin").touch()
    done = run(
        "preprocess.py",
        *("-d", "market", "-b", 1, "--height", 384, "--width", 128),
        *("--data-dir", data, "-j", 4, "--out", tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "  gallery  |     4 |        6" in done.stdout
    assert f"{tmp_path / FOLDERS[1]}: 6 .bin files of 589824 bytes" in done.stdout
    assert "note: 1 more .bin files there belong to other pictures: stranger" in done.stdout


@pytest.mark.parametrize("flags", [["-d", "cuhk03"], ["--height", "256"], ["-j", "0"]])
def test_what_the_network_cannot_take_is_wrong_usage(flags, data, capsys):
    with pytest.raises(SystemExit) as stop:
        preprocess.main(["--data", str(data), *flags])
    assert stop.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_a_damaged_picture_is_refused_in_a_data_set_and_noted_as_ones_own(tmp_path, capsys):
    note = pictures.check_damaged(
        tmp_path, lambda path: prepare(Picture(path, 1, 0)), prepare_picture, (64, 128)
    )
    assert note in capsys.readouterr().out


def test_ones_own_picture_is_turned_upright(tmp_path):
    pictures.check_turned(tmp_path, prepare_picture, (64, 128))
