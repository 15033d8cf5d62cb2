"""images.py: a picture is read as OpenCV reads it, or refused."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_rotation_is_applied_as_imread_does(tmp_path, orientation):
    path = tmp_path / "turned.jpg"
    path.write_bytes(exif(encode("jpeg"), orientation))
    image = read_image(path)
    assert image.shape == ((21, 9, 3) if orientation > 4 else (9, 21, 3))
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
        (b"", "not a JPEG, PNG or BMP picture (0 bytes). Copy or download this file again"),
        (b"<html>not found</html>", "not a JPEG, PNG or BMP picture (22 bytes)."),
        (b"GIF89a", "not a JPEG, PNG or BMP picture (6 bytes)."),
        (
            b"\xff\xd8\xff\xda\x00\x02\xff\xd9",
            "the picture is damaged: it has no size (8 bytes). Copy or download this file again",
        ),
        (b"BM" + bytes(16) + b"\x09\0\0\0\x09\0\0\0", "not a picture that can be read (26 bytes). Copy"),
        (
            HUGE,
            f"says that it has 1048576x1048576 pixels, which its {len(HUGE)} bytes cannot hold: above 34 million, at most",
        ),
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
def test_what_is_no_picture_is_named_with_its_size(tmp_path, content, message):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: {message}")


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "a.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert refusal(path) == f"{path}: not a regular file, which is needed here; name one."


NATURAL = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8), (9, 9), 0)


def natural(*options):
    """Return the JPEG of a smooth picture of 320x240, and where its compressed pixels begin."""
    data = cv2.imencode(".jpg", NATURAL, [cv2.IMWRITE_JPEG_QUALITY, 90, *options])[1].tobytes()
    return data, data.rfind(b"\xff\xda") + 14


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_jpeg_overwritten_in_the_middle_is_refused_and_ones_own_read_and_noted(tmp_path, place, capsys):
    data, start = natural()
    cut = start + round(place * (len(data) - start - 900))
    content = data[:cut] + bytes(800) + data[cut + 800 :]
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    assert refusal(path).startswith(f"{path}: the picture is damaged (")
    np.testing.assert_array_equal(read_image(path, own=True), decode(content))
    read_image(path, own=True)  # to be drawn on
    note = capsys.readouterr().out
    assert note.startswith(f"note: {path}: the picture is damaged (")
    assert note.count("\n") == 1
    assert note.endswith("); what is found in it may be wrong.\n")


FOREIGN = {  # what a disk or another file leaves: marks that end the pixels, which libjpeg calls unsupported
    "ones": b"\xff" * 800 + b"\x10",
    "a reserved marker": b"\xff\x31",
    "a second frame": b"\xff\xc0\x00\x0b\x08\x00\x10\x00\x10\x01\x01\x11\x00",
    "a table that cannot be": b"\xff\xdb\x00\x43\x09" + b"\x10" * 64,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_jpeg_with_foreign_marks_in_the_middle_is_refused(tmp_path, kind):
    data, start = natural()
    cut = (start + len(data)) // 2
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:cut] + FOREIGN[kind] + data[cut + len(FOREIGN[kind]) :])
    assert refusal(path).startswith(f"{path}: the picture is damaged (")
    assert read_image(path, own=True).shape == NATURAL.shape


ORDINARY = {"baseline": (), "progressive": (2, 1), "with restarts": (4, 3), "4:4:4": (7, 0x111111)}


@pytest.mark.parametrize("kind", ORDINARY)
@pytest.mark.parametrize("rows", [1, 64, -100])
def test_a_jpeg_with_other_rows_than_it_says_is_refused(tmp_path, kind, rows):
    data, _ = natural(*ORDINARY[kind])
    frame = next(place for mark in (b"\xff\xc0", b"\xff\xc2") if (place := data.find(mark)) > 0)
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: frame + 5] + (240 + rows).to_bytes(2, "big") + data[frame + 7 :])
    assert "the picture is damaged (" in refusal(path)


@pytest.mark.parametrize(
    ("place", "more"),
    [
        (-2, b"\0\0"),  # filling before the end marker, as webcams write it
        (20, b"\0\0"),  # and before the first table
        (2, b"\xff\xe0\0\x10JFIF\0\x03\x01\0\0\x01\0\x01\0\0"),  # a revision of the format that there is not
    ],
)
def test_what_harms_no_pixel_is_no_damage(tmp_path, place, more):
    data, _ = natural(7, 0x111111)
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:place] + more + data[place:])
    np.testing.assert_array_equal(read_image(path), decode(data))


def test_white_paper_is_no_damage(tmp_path):
    image = np.full((400, 400, 3), 255, np.uint8)
    image[:8] = NATURAL[:8, :320].repeat(2, axis=1)[:, :400]
    for options in ((), (3, 1), (2, 1)):  # with codes of its own, white is a run of zeros
        cv2.imwrite(str(tmp_path / "a.jpg"), image, [1, 90, *options])
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), cv2.imread(str(tmp_path / "a.jpg")))


# Samplings of the three colours in a row of blocks: the usual ones, and two that libjpeg-turbo's own interface lacks.
SAMPLINGS = [0x221111, 0x211111, 0x121111, 0x411111, 0x111111]


@pytest.mark.parametrize("sampling", [*SAMPLINGS, "grey", "odd", "odder"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_comes_as_opencv_decodes_it(tmp_path, sampling, progressive):
    path = tmp_path / "a.jpg"
    image = NATURAL[:133, :211, 0] if sampling == "grey" else NATURAL[:133, :211]
    options = [7, sampling] if isinstance(sampling, int) else []
    data = bytearray(cv2.imencode(".jpg", image, [1, 85, 2, progressive, *options])[1])
    if sampling in ("odd", "odder"):
        frame = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
        data[frame + 11 : frame + 18 : 3] = (0x22, 0x12, 0x11) if sampling == "odd" else (0x31, 0x11, 0x11)
    path.write_bytes(data)
    np.testing.assert_array_equal(read_image(path), cv2.imread(str(path)))


@settings(max_examples=200)
@given(
    kind=st.sampled_from([*sorted(KINDS), "bmp"]),
    keep=st.floats(0.5, 1),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=5),
)
def test_a_damaged_picture_is_read_or_named_never_a_traceback(kind, keep, changes, tmp_path):
    path = tmp_path / "picture"
    picture = cv2.imencode(".bmp", NATURAL[:9, :21])[1].tobytes() if kind == "bmp" else encode(kind)
    content = bytearray(picture)
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content[: round(keep * len(content))])
    try:
        assert read_image(path).shape[2] == 3
    except GuideError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_a_written_picture_is_read_back(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 21, 3), np.uint8)
    write_image(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), image)
    write_image(tmp_path / "a.jpg", image)
    assert read_image(tmp_path / "a.jpg").shape == image.shape
    for name, wrong in (("a.xyz", image), ("b.jpg", np.zeros((1, 70000, 3), np.uint8)), ("c.jpg", image[:0])):
        with pytest.raises(GuideError, match=f"{name}: OpenCV cannot write"):
            write_image(tmp_path / name, wrong)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "new"]


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_a_damaged_picture_is_told_by_us_alone(tmp_path, kind, capfd):
    content = bytearray(encode("png") if kind == "png" else b"BM" + bytes(60))
    content[20:24] = b"\xff" * 4
    (tmp_path / f"a.{kind}").write_bytes(content)
    refusal(tmp_path / f"a.{kind}")
    assert "[ERROR" not in capfd.readouterr().err
