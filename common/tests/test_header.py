"""images/header.py: what a picture file says of itself, and whether that is believed."""

from __future__ import annotations

import zlib

import cv2
import numpy as np
import pytest

from common.errors import GuideError
from common.images.header import ALWAYS, DENSEST, MOST, picture_size, read_header
from tests.conftest import refused
from tests.test_read import encode, exif

SMALL = np.zeros((8, 8, 3), np.uint8)


def of_size(kind, width, height, size=0):
    """Return a picture file whose header says that size, filled up to `size` bytes."""
    data = bytearray(cv2.imencode(f".{kind}", SMALL)[1])
    if kind == "jpg":
        frame = data.find(b"\xff\xc0")
        data[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    elif kind == "png":
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    else:
        data[18:26] = width.to_bytes(4, "little") + (-height).to_bytes(4, "little", signed=True)
    return bytes(data.ljust(size, b"\0"))


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp"])
def test_a_size_is_believed_in_proportion_to_the_bytes(kind):
    few, side = of_size(kind, 32000, 32000), int(ALWAYS**0.5)
    with refused(
        f"a: says that it has 32000x32000 pixels, which its {len(few)} bytes cannot hold: above 34 million, at most "
        f"{DENSEST} pixels are believed of each byte. Copy or download this file again, or leave it out."
    ):
        read_header(few, "a")
    with refused(
        "a: a picture of 32000x32000 pixels, 1024 million; at most 268 million are read. Make it smaller first."
    ):
        read_header(of_size(kind, 32000, 32000, 32000**2 // DENSEST), "a")
    for width, height, size in (
        (side, side, 0),
        (16320, 12240, 16320 * 12240 // DENSEST + 1),
        (2**14, 2**14, MOST // DENSEST),
    ):
        header = read_header(of_size(kind, width, height, size), "a")
        assert (header.width, header.height) == (width, height)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("orientation", [0, 1, 6, 9])
def test_the_orientation_is_read_in_both_orders_of_bytes_and_nonsense_is_upright(
    orientation, order, tmp_path
):
    data = exif(encode("jpeg"), orientation)
    if order == "big":
        entry = b"\x01\x12\0\x03\0\0\0\x01" + orientation.to_bytes(2, "big") + b"\0\0"
        data = data.replace(data[12:32], b"MM\0*\0\0\0\x08\0\x01" + entry[:10])
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    upright = cv2.imread(str(path)).shape[1::-1]
    assert picture_size(path, upright=True) == upright == ((9, 21) if orientation == 6 else (21, 9))
    assert picture_size(path) == (21, 9)


def test_the_size_is_read_from_the_header_wherever_it_is(tmp_path):
    path = tmp_path / "a.jpg"
    data = encode("jpeg", 640, 480)
    path.write_bytes(data[:1000])
    assert picture_size(path) == (640, 480)
    for _ in range(3):  # a long profile before it
        data = data[:2] + b"\xff\xe2\xff\xff" + b"\xff\xc0\0" * 0x5554 + b"\0" + data[2:]
    path.write_bytes(data)
    assert picture_size(path) == (640, 480)
    path.write_bytes(data[:100_000])
    with refused(
        f"{path}: the picture is truncated: 100000 bytes, and its end marker is missing.", whole=False
    ):
        picture_size(path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\x10JFIF\0", bytes(99)]
)
def test_what_is_no_picture_is_told(content, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(GuideError) as caught:
        picture_size(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_scans_are_not_without_end():
    data = encode("progressive jpeg")
    scan = b"\xff\xda\0\x08\1\1\0\1\x3f\1\0"
    read_header(data[:-2] + 80 * scan + data[-2:], "a")
    with refused("a: the picture is damaged: it has ", whole=False):
        read_header(data[:-2] + 200 * scan + data[-2:], "a")


def test_a_number_in_a_png_takes_no_memory():
    data = encode("png")
    with refused(f"a: the picture is truncated: {len(data)} bytes", whole=False):
        read_header(data[:33] + b"\x70\0\0\0" + data[37:], "a")
