"""VOC's evaluation: annotations as XML and comp4_det_test_<class>.txt to the average precision of 20 classes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from evaluations.steps import ROOT, Step

sys.path.insert(0, str(ROOT / "rfcn"))

from rfcn_voc import voc
from rfcn_voc.detections import read_detections, write_detections
from rfcn_voc.scoring import score
from rfcn_voc.voc import CLASSES, Picture, Voc

PICTURES, OBJECTS, EACH = 4952, 14976, 100


def sizes(times: int) -> dict[str, int]:
    return {"pictures": PICTURES * times, "objects": OBJECTS * times, "detections": EACH * PICTURES * times}


def make(folder: Path, times: int) -> None:
    """Write the list, the XML files and the result files: three detections in ten lie about an object."""
    random = np.random.RandomState(0)
    count = PICTURES * times
    names = [f"{i:06}" for i in range(count)]
    for part in ("ImageSets/Main", "Annotations"):
        (folder / part).mkdir(parents=True)
    (folder / voc.LIST).write_text("".join(f"{name}\n" for name in names))

    owner = np.sort(random.randint(0, count, OBJECTS * times))
    starts = np.searchsorted(owner, np.arange(count + 1))
    corners = random.randint(1, 300, (len(owner), 2))
    boxes = np.column_stack((corners, corners + random.randint(20, 200, (len(owner), 2))))
    category = random.randint(0, len(CLASSES), len(owner))
    difficult = random.uniform(size=len(owner)) < 0.2
    found = {}
    for i, name in enumerate(names):
        mine = np.arange(starts[i], starts[i + 1])
        objects = "".join(
            f"<object><name>{CLASSES[category[k]]}</name><pose>Left</pose><truncated>0</truncated>"
            f"<difficult>{difficult[k]:d}</difficult><bndbox>"
            + "".join(
                f"<{side}>{v}</{side}>"
                for side, v in zip(("xmin", "ymin", "xmax", "ymax"), boxes[k], strict=True)
            )
            + "</bndbox></object>\n"
            for k in mine
        )
        size = "<size><width>500</width><height>500</height><depth>3</depth></size>"
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}\n{objects}</annotation>\n")
        about = random.choice(mine, 3 * EACH // 10) if len(mine) else mine
        left = random.uniform(1, 300, (EACH - len(about), 2))
        rows = np.concatenate(
            (
                boxes[about] + random.normal(0, 8, (len(about), 4)),
                np.column_stack((left, left + random.uniform(20, 200, left.shape))),
            )
        )
        kinds = np.concatenate((1 + category[about], random.randint(1, 21, len(left))))
        found[name] = np.column_stack((rows, random.uniform(size=len(rows)), kinds)).astype(np.float32)
    write_detections(folder, Voc(folder, {name: Picture(name, folder) for name in names}), found)


def evaluate(folder: Path, step: Step) -> dict[str, float | None]:
    with step("read data"):
        data = voc.read_voc(folder, need_pictures=False)
        objects = voc.read_objects(data)
    with step("read predictions"):
        detections = read_detections(folder, data)
    with step("score"):
        figures = score(data, objects, detections)
    return dict(figures.metrics)
