"""What a picture file says of itself before anything is decoded: kind, size, orientation; and whether that can be true.

JPEG: ITU-T T.81, annex B. PNG: https://www.w3.org/TR/png-3/. EXIF: CIPA DC-008. BMP: the headers of Windows and OS/2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import GuideError
from common.files import read_bytes

MOST = 2**28  # pixels
ALWAYS = 2**25  # pixels that a file of any size may have
DENSEST = 128  # pixels for each byte of a larger one; photographs have up to 20, drawings up to 60
SCANS = 100  # of a progressive JPEG, which has some ten
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
# As libjpeg looks for them: what stands between segments is passed over, and so are the markers without a segment.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
END_OF_JPEG = b"\xff\xd9"
START_OF_SCAN = 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_AGAIN = "Copy or download this file again, or leave it out."


@dataclass
class Header:
    """Size in pixels as stored, EXIF's orientation, 1 to 8, and of a JPEG the number of its colours.

    `scan` is where a JPEG's compressed pixels begin, 0 where they are not there; `scans` is about how many scans of all
    its blocks they are, for none of which a byte is needed.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    colours: int = 0
    scan: int = 0
    scans: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as the picture is to be shown."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)


def read_file(path: Path, most: int = -1) -> bytes:
    """Return the content of a picture file, or its first `most` bytes."""
    try:
        return read_bytes(path, most)
    except FileNotFoundError:
        raise GuideError(f"{path}: no such picture.") from None


def read_header(data: bytes, name: str) -> Header:
    """Return what a picture file says of itself; `name` is what errors call it.

    A file that is neither JPEG, PNG nor BMP, that is truncated, that says it has more pixels than it can, or than
    are read, is an error.
    """
    header = _parse(data, name)
    if data.startswith(_JPEG):
        whole = header.scan and data.rfind(END_OF_JPEG, header.scan) >= 0  # from the end, where it is
    else:  # of a BMP, OpenCV tells
        whole = not data.startswith(_PNG) or any(kind == b"IEND" for kind, _ in _chunks(data))
    if not whole:
        raise GuideError(
            f"{name}: the picture is truncated: {len(data)} bytes, and its end marker is missing. "
            "Copy or download this file again."
        )
    pixels = header.width * header.height
    if not pixels:
        raise GuideError(f"{name}: the picture is damaged: it has no size ({len(data)} bytes). {_AGAIN}")
    # Of a film after the picture, one place in 65536 is taken for a scan.
    if header.scans > SCANS + len(data) // 2**15:
        raise GuideError(f"{name}: the picture is damaged: it has {header.scans} scans. {_AGAIN}")
    if pixels > max(ALWAYS, min(MOST, DENSEST * len(data))):
        raise GuideError(f"{name}: {_too_large(header, len(data))}")
    return header


def _too_large(header: Header, size: int) -> str:
    pixels = header.width * header.height
    if pixels <= DENSEST * size:
        return (
            f"a picture of {header.width}x{header.height} pixels, {pixels / 1e6:.0f} million; at most "
            f"{MOST / 1e6:.0f} million are read. Make it smaller first."
        )
    return (
        f"says that it has {header.width}x{header.height} pixels, which its {size} bytes cannot hold: above "
        f"{ALWAYS / 1e6:.0f} million, at most {DENSEST} pixels are believed of each byte. {_AGAIN}"
    )


def picture_size(path: Path, *, upright: bool = False) -> tuple[int, int]:
    """Return width and height of a picture file in pixels, as stored or as it is to be shown; nothing is decoded."""
    header = _parse(read_file(path, 1 << 16), str(path))
    if not header.width * header.height or (upright and not header.scan):
        header = read_header(read_file(path), str(path))
    return header.upright_size if upright else (header.width, header.height)


def _parse(data: bytes, name: str) -> Header:
    header = Header()
    for signature, read in ((_JPEG, _read_jpeg), (_PNG, _read_png), (b"BM", _read_bmp)):
        if data.startswith(signature):
            read(data, header)
            return header
    raise GuideError(f"{name}: not a JPEG, PNG or BMP picture ({len(data)} bytes). {_AGAIN}")


def _number(data: bytes, start: int, size: int) -> int:
    return int.from_bytes(data[start : start + size], "big")


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment of a JPEG, and where its content begins and ends.

    Of a thumbnail among them, a JPEG with markers of its own, nothing is seen.
    """
    end = 2
    while found := _MARKER.search(data, end):
        begin = found.end() + 2
        end = begin - 2 + int.from_bytes(data[begin - 2 : begin], "big")
        yield data[begin - 3], begin, end


def _read_jpeg(data: bytes, header: Header) -> None:
    progressive = False
    for marker, begin, end in segments(data):
        if marker in _FRAMES:
            content = data[begin:end]
            header.height, header.width = _number(content, 1, 2), _number(content, 3, 2)
            header.colours, progressive = _number(content, 5, 1), marker not in {0xC0, 0xC1}
        elif marker == 0xE1 and data.startswith(b"Exif\0\0", begin, end):
            header.orientation = _orientation(data[begin + 6 : end])
        elif marker == START_OF_SCAN:
            header.scan = end
            colours = data[begin : min(begin + 1, end)]
            if progressive or colours != bytes([header.colours]):  # other than all colours at once
                header.scans += data.count(b"\xff\xda", end)
            return


def _chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the kind of each chunk of a PNG, and where its content begins, up to one that the file does not hold."""
    position, kind = len(_PNG), b""
    while position + 12 <= len(data) and kind != b"IEND":
        kind, end = data[position + 4 : position + 8], position + 12 + _number(data, position, 4)
        if end > len(data):
            return
        yield kind, position + 8
        position = end


def _read_png(data: bytes, header: Header) -> None:
    header.width, header.height = _number(data, 16, 4), _number(data, 20, 4)
    for kind, start in _chunks(data):
        if kind == b"eXIf":
            header.orientation = _orientation(data[start : start + _number(data, start - 8, 4)])


def _read_bmp(data: bytes, header: Header) -> None:
    side = 2 if data[14:18] == b"\x0c\0\0\0" else 4  # OS/2's first, or all later ones
    header.width, header.height = (
        abs(int.from_bytes(data[start : start + side], "little", signed=side == 4))
        for start in (18, 18 + side)
    )


def _orientation(tiff: bytes) -> int:
    """Return the orientation that EXIF data, a TIFF file's first directory, tells; 1 is upright."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1

    def number(start: int, size: int) -> int:
        return int.from_bytes(tiff[start : start + size], order)  # type: ignore[arg-type]

    directory = number(4, 4)
    end = min(directory + 2 + 12 * number(directory, 2), len(tiff))
    for entry in range(directory + 2, end, 12):
        if number(entry, 2) == 0x0112:
            return value if 1 <= (value := number(entry + 8, 2)) <= 8 else 1
    return 1
