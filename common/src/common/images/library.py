"""Pictures that installed libraries carry, for a model's embedded default: no data set, nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.images.read import read_image


def library_picture(name: str) -> NDArray[Any]:
    """Return a picture, HxWx3 uint8 BGR.

    "hopper" is matplotlib's grace_hopper.jpg (U.S. Navy, public domain); any other name is a function of
    scikit-image's `skimage.data`: "astronaut" (NASA, public domain), "chelsea" and "coffee" (CC0).
    """
    try:
        if name == "hopper":
            import matplotlib.cbook

            return read_image(Path(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
        import skimage.data
    except ModuleNotFoundError as error:
        raise GuideError(
            f"the sample pictures come with {error.name!r}, which is not installed: "
            "pip install matplotlib scikit-image, or give a data set with --data."
        ) from None
    return np.ascontiguousarray(getattr(skimage.data, name)()[..., ::-1])
