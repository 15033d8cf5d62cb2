"""The embedded default: pictures of installed libraries as a data set in VOC's form."""

from __future__ import annotations

from common.images.header import picture_size
from rfcn_voc import sample
from rfcn_voc.task import placements
from rfcn_voc.voc import CLASSES, read_objects, read_voc


def test_boxes_lie_inside_their_pictures_and_the_canvas_holds_them(tmp_path):
    data = read_voc(sample.write_sample(tmp_path))
    assert list(data.pictures) == list(sample.OBJECTS)
    objects = read_objects(data)
    assert len(objects.boxes) == len(sample.OBJECTS)
    pictures = list(data.pictures.values())
    for i, category, box in zip(objects.picture, objects.category, objects.boxes.tolist(), strict=True):
        name, expected = sample.OBJECTS[pictures[i].name]
        assert (CLASSES[category], tuple(box)) == (name, expected)
        width, height = picture_size(pictures[i].path)
        left, top, right, bottom = box
        assert 1 <= left < right <= width
        assert 1 <= top < bottom <= height
    assert not objects.difficult.any()
    assert not any(placed.cropped for placed in placements(data.pictures).values())


def test_the_sample_is_the_same_every_time(tmp_path):
    first, second = (sample.write_sample(tmp_path / name) for name in "ab")
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(names) == 5
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
