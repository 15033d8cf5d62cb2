"""From a face to the network's input: the scaling, the mirror, every value."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.testing import pictures
from common.errors import GuideError
from lresnet_lfw.lfw import Face
from lresnet_lfw.preprocessing import mirror, network_input
from lresnet_lfw.task import TASK
from tests.conftest import encode, random_faces, read_json


def naive_input(image):
    """The original's steps in its order, each in float32."""
    values = image.transpose(2, 0, 1).astype(np.float32)
    values /= np.float32(255)
    values -= np.float32(0.5)
    values /= np.float32(0.5)
    return values


def own(path):
    return TASK.prepare(Face(path, own=True))


def prepared(face):
    inputs, context = TASK.prepare(face)
    assert context is None
    return inputs["image"]


def test_every_value_is_that_of_the_originals_steps():
    image = np.resize(np.arange(256, dtype=np.uint8), (112, 112, 3))
    found = network_input(image)
    assert len(np.unique(found)) == 256
    assert (found.min(), found.max()) == (-1, 1)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, naive_input(image))


@given(st.integers(0, 10**6))
def test_channels_come_first_and_are_never_swapped(seed):
    image = np.random.default_rng(seed).integers(0, 256, (112, 112, 3), np.uint8)
    found = network_input(image)
    assert found.shape == (3, 112, 112)
    assert found.tobytes() == naive_input(image).tobytes()
    assert mirror(found).tobytes() == naive_input(image[:, ::-1]).tobytes()
    np.testing.assert_array_equal(mirror(mirror(found)), found)


@pytest.mark.parametrize("case", ["astronaut", "coffee", "grace_hopper"])
def test_inputs_are_the_reference_ones(case, cases, crops):
    facts = read_json(cases / f"recipe_{case}.json")
    assert hashlib.sha256(crops[case][..., ::-1].tobytes()).hexdigest() == facts["crop_rgb_sha256"]
    found = network_input(crops[case])
    assert hashlib.sha256(found.tobytes()).hexdigest() == facts["input_sha256"]
    assert hashlib.sha256(mirror(found).tobytes()).hexdigest() == facts["flip_sha256"]
    for position, value in facts["input_samples"]:
        assert found.ravel()[position] == np.float32(value)


@pytest.mark.parametrize(("width", "height"), [(111, 112), (250, 250), (1, 1), (112, 224)])
def test_a_face_of_another_size_is_refused_by_name(width, height, tmp_path):
    picture = encode(np.zeros((height, width, 3), np.uint8))
    (tmp_path / "a.png").write_bytes(picture)
    words = f"expected an aligned face of 112x112 pixels, found {width}x{height}. Align the face"
    with pytest.raises(GuideError, match=f"a.png: {words}"):
        TASK.prepare(Face(tmp_path / "a.png"))
    with pytest.raises(GuideError, match=f"lfw.bin: picture 7: {words}"):
        TASK.prepare(Face(tmp_path / "lfw.bin", 7, picture, mirrored=True))


def test_a_grey_scale_picture_has_three_equal_channels(tmp_path):
    grey = random_faces(1)[0][..., 0]
    for suffix, difference in ((".png", 0.0), (".jpg", 0.5)):
        found = prepared(Face(tmp_path / "lfw.bin", 0, encode(grey, suffix)))
        assert found.shape == (3, 112, 112)
        np.testing.assert_array_equal(found[0], found[1])
        np.testing.assert_array_equal(found[0], found[2])
        assert np.abs(found[0] - naive_input(grey[..., None])[0]).max() <= difference


def test_the_mirrored_input_is_the_mirror_of_the_input(tmp_path):
    face = Face(tmp_path / "lfw.bin", 0, encode(random_faces(1)[0]))
    mirrored = replace(face, mirrored=True)
    np.testing.assert_array_equal(prepared(mirrored), mirror(prepared(face)))
    np.testing.assert_array_equal(mirrored.read(), face.read())


def test_a_damaged_picture_is_refused_in_a_data_set_and_noted_as_ones_own(tmp_path, capsys):
    note = pictures.check_damaged(tmp_path, lambda path: TASK.prepare(Face(path)), own, (112, 112))
    assert note in capsys.readouterr().out


def test_ones_own_picture_is_turned_upright(tmp_path):
    pictures.check_turned(tmp_path, own, (112, 112))
