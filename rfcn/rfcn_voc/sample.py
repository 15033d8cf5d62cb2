"""Two library pictures as a data set in VOC's form; the boxes around person and cat were drawn by hand."""

from __future__ import annotations

from pathlib import Path

from common.files import write_text
from common.images.library import library_picture
from common.images.read import write_image
from rfcn_voc.voc import LIST

WHAT = "two library pictures"
PLACE = "data/VOCdevkit2007/VOC2007"  # where the README has the data set
# Picture, VOC class, box as xmin, ymin, xmax, ymax in pixels from 1. Two, for the network takes many seconds for each.
OBJECTS = {
    "astronaut": ("person", (3, 3, 462, 510)),
    "chelsea": ("cat", (21, 11, 440, 298)),
}


def write_sample(folder: Path) -> Path:
    """Write pictures, list and annotations as a data set and return its directory."""
    for name, found in OBJECTS.items():
        write_image(folder / "JPEGImages" / f"{name}.jpg", library_picture(name))
        write_text(folder / "Annotations" / f"{name}.xml", _annotation(*found))
    write_text(folder / LIST, "".join(f"{name}\n" for name in OBJECTS))
    return folder


def _annotation(category: str, box: tuple[int, int, int, int]) -> str:
    sides = "".join(
        f"<{side}>{value}</{side}>" for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return (
        f"<annotation>\n  <object>\n    <name>{category}</name>\n    <difficult>0</difficult>\n"
        f"    <bndbox>{sides}</bndbox>\n  </object>\n</annotation>\n"
    )
