"""images.py: a picture is read as OpenCV reads it, or refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import cli
from common.errors import GuideError
from common.images.read import read_image, write_image

SMALL = [cv2.IMWRITE_JPEG_QUALITY, 40, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
KINDS = {
    "jpeg": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 40]),
    "progressive jpeg": (".jpg", [*SMALL, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "jpeg with restarts": (".jpg", [*SMALL, cv2.IMWRITE_JPEG_RST_INTERVAL, 1]),
    "jpeg with a thumbnail": (".jpg", SMALL),
    "jpeg with a fill byte": (".jpg", SMALL),
    "png": (".png", []),
}


def exif(data, orientation=1, thumbnail=b""):
    """Put an EXIF segment (TIFF header, one orientation entry, then the thumbnail) into a JPEG."""
    entry = b"\x12\x01\x03\x00\x01\x00\x00\x00" + orientation.to_bytes(4, "little")
    content = b"Exif\0\0" + b"II*\0\x08\0\0\0" + b"\x01\0" + entry + b"\0\0\0\0" + thumbnail
    return data[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def encode(kind, width=21, height=9, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    suffix, options = KINDS[kind]
    data = cv2.imencode(suffix, pixels, options)[1].tobytes()
    if kind == "jpeg with a thumbnail":
        data = exif(data, thumbnail=cv2.imencode(".jpg", pixels[:4, :4], SMALL)[1].tobytes())
    return data[:2] + b"\xff" + data[2:] if kind == "jpeg with a fill byte" else data


def decode(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_the_pictures_are_what_they_are_called():
    scans, ends = ({kind: encode(kind).count(mark) for kind in KINDS} for mark in (b"\xff\xda", b"\xff\xd9"))
    assert scans["jpeg"] == 1 < scans["progressive jpeg"]
    assert ends["jpeg"] == 1 < ends["jpeg with a thumbnail"]
    assert b"\xff\xd0" in encode("jpeg with restarts")


def refusal(path):
    try:
        read_image(path)
    except GuideError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_every_strict_prefix_is_refused_and_the_whole_file_is_read_as_opencv_does(tmp_path, kind):
    data = encode(kind)
    pixels = max(data.rfind(b"\xff\xda"), data.rfind(b"IDAT")) + 4
    for size in range(len(data)):
        path = tmp_path / f"{size}{KINDS[kind][0]}"
        path.write_bytes(data[:size])
        message = refusal(path)
        assert message is not None, f"{size} of {len(data)} bytes were read"
        assert message.startswith(f"{path}: ")
        assert f"{size} bytes" in message
        assert "its end marker is missing" in message or size < pixels
    path = tmp_path / f"whole{KINDS[kind][0]}"
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), decode(data))


@settings(max_examples=30)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    data=st.data(),
)
def test_pictures_of_any_size_are_read_whole_and_refused_without_their_end(tmp_path, kind, size, data):
    picture = encode(kind, *size, seed=data.draw(st.integers(0, 99)))
    path = tmp_path / "picture"
    path.write_bytes(picture)
    image = read_image(path)
    assert (image.shape, image.dtype) == ((size[1], size[0], 3), np.uint8)
    np.testing.assert_array_equal(image, decode(picture))
    path.write_bytes(picture[: data.draw(st.integers(0, len(picture) - 1))])
    assert refusal(path)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_exif_rotation_is_applied_as_imread_does(tmp_path, orientation):
    path = tmp_path / "turned.jpg"
    path.write_bytes(exif(encode("jpeg"), orientation))
    image = read_image(path)
    assert image.shape == ((21, 9, 3) if orientation in (6, 8) else (9, 21, 3))
    np.testing.assert_array_equal(image, cv2.imread(str(path)))


def test_bytes_after_the_end_marker_do_no_harm(tmp_path):
    data = encode("jpeg")
    (tmp_path / "a.jpg").write_bytes(data + b"\0" * 64)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), decode(data))


@pytest.mark.parametrize(("shape", "suffix"), [((9, 13), ".png"), ((9, 13, 4), ".png"), ((9, 13, 3), ".bmp")])
def test_grey_pictures_and_pictures_with_alpha_become_bgr(tmp_path, shape, suffix):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), pixels)
    expected = pixels[..., :3] if len(shape) == 3 else np.repeat(pixels[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(path), expected)


HUGE = bytearray(encode("png"))
HUGE[16:24] = (1 << 20).to_bytes(4, "big") * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture that OpenCV can read (0 bytes). Copy or download this file again"),
        (b"<html>not found</html>", "not a picture that OpenCV can read (22 bytes)."),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "not a picture that OpenCV can read (8 bytes)."),
        (HUGE, "not a picture that OpenCV can read"),  # too many pixels
        (
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            "the picture is truncated: 10 bytes, and its end marker is missing.",
        ),
        (
            b"\xff\xd8\xff\xff\xff\xe1\x00\x40Exif",
            "the picture is truncated: 12 bytes, and its end marker is missing.",
        ),
        (None, "no such picture."),
    ],
)
def test_what_is_no_picture_is_named_with_its_size(tmp_path, content, message, capsys):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: {message}")
    assert cli.command(lambda _: read_image(tmp_path))([]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: Is a directory\n"


def test_a_written_picture_is_read_back(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 21, 3), np.uint8)
    write_image(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), image)
    write_image(tmp_path / "a.jpg", image)
    assert read_image(tmp_path / "a.jpg").shape == image.shape


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_a_damaged_picture_is_told_by_us_alone(tmp_path, kind, capfd):
    content = bytearray(encode("png") if kind == "png" else b"BM" + bytes(60))
    content[20:24] = b"\xff" * 4
    (tmp_path / f"a.{kind}").write_bytes(content)
    refusal(tmp_path / f"a.{kind}")
    assert "[ERROR" not in capfd.readouterr().err
