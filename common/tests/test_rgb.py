"""images/rgb.py: a picture is read as Pillow reads it, or refused."""

from __future__ import annotations

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image", reason="Pillow reads them")
ImageOps = pytest.importorskip("PIL.ImageOps", reason="Pillow turns them")

from common.errors import GuideError  # noqa: E402
from common.images.read import read_image  # noqa: E402
from common.images.rgb import read_rgb  # noqa: E402
from tests.conftest import refused  # noqa: E402

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def test_a_picture_without_loss_comes_as_it_was(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_rgb(path), PIXELS)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_picture_is_read_as_rgb(mode, tmp_path):
    grey = PIXELS[..., 0]
    deep = grey.astype(np.uint16) * 256 + 77  # Pillow itself makes white of it
    image = Image.fromarray(deep if mode == "I;16" else PIXELS if mode in ("P", "RGBA") else grey)
    path = tmp_path / "picture.png"
    (image if mode == "I;16" else image.convert(mode)).save(path)
    wanted = grey[..., None].repeat(3, axis=2) if mode == "I;16" else Image.open(path).convert("RGB")
    found = read_rgb(path)
    assert (found.dtype, found.flags.c_contiguous) == (np.uint8, True)
    np.testing.assert_array_equal(found, np.asarray(wanted))
    np.testing.assert_array_equal(read_rgb(path, order="BGR"), found[..., ::-1])


@pytest.mark.parametrize(
    ("mode", "how"),
    [
        ("RGB", {}),
        ("RGB", {"progressive": True, "quality": 60}),
        ("RGB", {"subsampling": "4:4:4"}),
        ("RGB", {"keep_rgb": True}),
        ("L", {}),
        ("CMYK", {}),
    ],
)
def test_a_jpeg_comes_as_pillow_decodes_it(mode, how, tmp_path):
    path = tmp_path / "a.jpg"
    smooth = Image.fromarray(PIXELS).resize((211, 133)).convert(mode)
    smooth.save(path, **how)
    wanted = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_rgb(path), wanted)
    np.testing.assert_array_equal(read_rgb(path, order="BGR"), wanted[..., ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_to_ones_own_picture_alone(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("turned.jpg", "turned.png"):
        path = tmp_path / name
        Image.fromarray(PIXELS).save(path, exif=exif)
        with Image.open(path) as opened:
            np.testing.assert_array_equal(read_rgb(path), np.asarray(opened))
            np.testing.assert_array_equal(
                read_rgb(path, own=True), np.asarray(ImageOps.exif_transpose(opened))
            )


@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>", b"GIF89a", b"\xff\xd8\xff\xd9"])
def test_what_is_no_picture_is_told_as_by_the_other_reader(content, tmp_path):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GuideError) as wanted:
        read_image(path)
    with refused(str(wanted.value)):
        read_rgb(path)
    assert str(path) in str(wanted.value)


def test_the_first_of_several_pictures_in_a_file_is_read_and_a_film_after_it_passed_over(tmp_path):
    path = tmp_path / "a.jpg"
    images = [Image.fromarray(PIXELS[..., ::step]).resize((211, 133)) for step in (1, -1)]
    images[0].save(path, format="MPO", save_all=True, append_images=images[1:])
    with Image.open(path) as opened:
        wanted = np.asarray(opened.convert("RGB"))
    np.testing.assert_array_equal(read_rgb(path), wanted)
    path.write_bytes(path.read_bytes() + np.random.default_rng(0).bytes(1 << 20))
    np.testing.assert_array_equal(read_rgb(path), wanted)


def test_too_little_memory_is_told(tmp_path, monkeypatch):
    def decode(*_, **__):
        raise MemoryError

    path = tmp_path / "a.jpg"
    Image.fromarray(PIXELS).save(path)
    monkeypatch.setattr("simplejpeg.decode_jpeg", decode)
    with refused(f"{path}: not enough memory for its 30x20 pixels. Make it smaller first."):
        read_rgb(path)
