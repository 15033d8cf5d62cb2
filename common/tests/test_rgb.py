"""images/rgb.py: a picture is read as Pillow reads it, or refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

Image = pytest.importorskip("PIL.Image", reason="Pillow reads them")

from common.errors import GuideError  # noqa: E402
from common.images.rgb import read_bgr, read_rgb  # noqa: E402
from tests.conftest import refused  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def test_a_picture_without_loss_comes_as_it_was(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(np.asarray(read_rgb(path)), PIXELS)
    bgr = read_bgr(path)
    assert (bgr.dtype, bgr.shape) == (np.uint8, (20, 30, 3))
    np.testing.assert_array_equal(bgr, PIXELS[..., ::-1])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16", "CMYK"])
def test_every_kind_of_picture_is_read_as_rgb(mode, tmp_path):
    grey = PIXELS[..., 0]
    image = Image.fromarray(grey.astype(np.uint16) * 257 if mode == "I;16" else grey)
    path = tmp_path / "picture"
    (image if mode == "I;16" else image.convert(mode)).save(path, format="TIFF" if mode == "CMYK" else "PNG")
    found = read_rgb(path)
    assert (found.mode, found.size) == ("RGB", (30, 20))
    if mode in ("L", "LA"):
        np.testing.assert_array_equal(np.asarray(found), grey[..., None].repeat(3, axis=2))


def test_exif_rotation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "turned.jpg", exif=exif)
    assert read_rgb(tmp_path / "turned.jpg").size == (30, 20)


@given(
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "GIF"]),
    keep=st.floats(0, 1),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_picture_is_read_or_named_never_a_traceback(kind, keep, changes, tmp_path):
    path = tmp_path / f"damaged.{kind}"
    Image.fromarray(PIXELS).save(path, format=kind)
    content = bytearray(path.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: round(keep * len(content))])
    try:
        assert read_rgb(path).mode == "RGB"
    except GuideError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
    except Image.DecompressionBombWarning:
        pass  # the changed bytes are the size; an error of Pillow's beyond twice that


UNREADABLE = (
    "not a picture that Pillow can read ({} bytes). Copy or download this file again, or leave it out."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such picture."),
        (b"", UNREADABLE.format(0)),
        (b"<html>not found</html>", UNREADABLE.format(22)),
    ],
)
def test_what_is_no_picture_is_named(content, message, tmp_path):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with refused(f"{path}: {message}"):
        read_rgb(path)
    with refused(f"{tmp_path}: ", whole=False):
        read_rgb(tmp_path)


@pytest.mark.parametrize("kind", ["truncated", "too many pixels"])
def test_a_damaged_picture_is_named(tmp_path, kind):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        del content[-500:]
    else:
        content[16:24] = (1 << 20).to_bytes(4, "big") * 2
        content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(
        GuideError, match=r"a\.png: the picture is damaged \(.*\)\. Copy or download this file"
    ):
        read_rgb(path)
