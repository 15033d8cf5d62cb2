"""library_pictures.py: pictures as the libraries carry them, in OpenCV's order of colours."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from common.images.library import library_picture
from tests.conftest import refused


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_a_picture_of_scikit_image_comes_with_blue_first(name):
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the picture")
    found = library_picture(name)
    assert (found.dtype, found.flags.c_contiguous) == (np.uint8, True)
    np.testing.assert_array_equal(found, getattr(data, name)()[..., ::-1])


def test_the_portrait_of_matplotlib_comes_with_blue_first():
    pytest.importorskip("matplotlib", reason="matplotlib carries the picture")
    found = library_picture("hopper")
    assert (found.dtype, found.shape) == (np.uint8, (600, 512, 3))
    assert found.flags.c_contiguous
    blue, green, red = found[100:200, 200:300].reshape(-1, 3).mean(axis=0)  # her face
    assert blue < green < red


@pytest.mark.parametrize(("name", "library"), [("hopper", "matplotlib"), ("coffee", "skimage")])
def test_a_library_that_is_not_installed_is_named(monkeypatch, name, library):
    for module in [module for module in sys.modules if module.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "path", [])
    with refused(
        f"the sample pictures come with {library!r}, which is not installed: "
        "pip install matplotlib scikit-image, or give a data set with --data."
    ):
        library_picture(name)


@pytest.mark.parametrize("other", ["matplotlib", "skimage"])
def test_a_picture_needs_only_the_library_that_carries_it(monkeypatch, other):
    name, library = ("coffee", "skimage") if other == "matplotlib" else ("hopper", "matplotlib")
    pytest.importorskip(library, reason="the library carries the picture")
    monkeypatch.setitem(sys.modules, other, None)
    assert library_picture(name).ndim == 3
