"""JPEG with libjpeg-turbo, which says where a file is damaged; OpenCV and Pillow decode with the same, and do not say."""

from __future__ import annotations

import re
from typing import Any

import simplejpeg
from numpy.typing import NDArray

from common.images.header import END_OF_JPEG, START_OF_SCAN, Header, segments

# What libjpeg says of harmless things: other marks than the usual ones, a few bytes of filling before a marker. All else,
# such as a marker that it does not know amid the pixels, ends a picture before its time.
_HARMLESS = re.compile(
    "Warning: |Unknown Adobe |Invalid SOS parameters |Inconsistent progression "
    "|Corrupt JPEG data: 1?[0-9] extraneous bytes before marker 0x(?!d[0-7])"
)
_ZEROS = bytes(64)


def decode_jpeg(data: bytes, header: Header, order: str) -> tuple[NDArray[Any] | None, str | None]:
    """Decode a JPEG: HxWx3 uint8 in the order "BGR" or "RGB", and how it is damaged, None if it is not.

    A JPEG has no checksum: damage that leaves as many valid codes as there were is not seen. A picture in CMYK, and one
    with a sampling of colours that libjpeg-turbo's own interface does not know, gives None instead of the pixels.
    """
    cmyk = header.colours == 4  # for the damage alone, so an eighth of the size is enough
    how = (
        {"colorspace": "CMYK", "min_height": 1, "min_width": 1, "min_factor": 8}
        if cmyk
        else {"colorspace": order}
    )
    damage = None
    try:
        image = simplejpeg.decode_jpeg(data, strict=True, **how)
    except ValueError as error:  # of a warning, too
        if not _HARMLESS.match(str(error)):
            damage = str(error)
        try:
            image = simplejpeg.decode_jpeg(data, strict=False, **how)
        except ValueError:
            if "memory" in str(error):
                raise MemoryError from None
            return None, None
    zeros = data.find(_ZEROS, header.scan)
    if (
        zeros >= 0
        and damage is None
        and data.find(END_OF_JPEG, header.scan, zeros) < 0
        and _is_dense(data, zeros)
    ):
        damage = "a part of it was overwritten with zeros"
    return None if cmyk else image, damage


def _is_dense(data: bytes, place: int) -> bool:
    """Tell whether a long run of zeros at a place among the pixels would be read as one value after the other.

    No picture has such blocks. Where its code is that of an empty block, or in scans that hold the blocks' means only, or
    that add bits to known values, a plain or regular picture can be such a run.
    """
    first_codes: dict[int, int] = {}
    dense = False
    for marker, begin, end in segments(data):
        if end > place:
            break
        content = data[begin:end]
        if marker == 0xC4:
            first_codes |= _first_codes(content)
        elif marker == START_OF_SCAN and len(content) > 3:
            codes = (first_codes.get(0x10 | table & 0xF, 0) for table in content[2:-3:2])
            dense = content[-2] > 0 and content[-1] < 16 and any(code & 0xF for code in codes)
    return dense


def _first_codes(tables: bytes) -> dict[int, int]:
    """Return of each Huffman table in a segment what its code of zeros stands for: a value, if its lower half is not 0."""
    found, position = {}, 0
    while position + 17 < len(tables):
        found[tables[position]] = tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])
    return found
