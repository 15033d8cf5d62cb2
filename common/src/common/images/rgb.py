"""Reading pictures with Pillow, as the originals do that resize with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from common.errors import GuideError


def read_rgb(path: Path) -> Image.Image:
    """Read a picture with Pillow as RGB. EXIF rotation is not applied, as the originals do not."""
    try:
        with Image.open(path) as image:
            image.load()
            return image.convert("RGB")
    except FileNotFoundError:
        raise GuideError(f"{path}: no such picture.") from None
    except UnidentifiedImageError:
        raise GuideError(
            f"{path}: not a picture that Pillow can read ({path.stat().st_size} bytes). "
            "Copy or download this file again, or leave it out."
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise GuideError(
            f"{path}: the picture is damaged ({error}). Copy or download this file again."
        ) from None


def read_bgr(path: Path) -> NDArray[Any]:
    """Read a picture with Pillow as HxWx3 uint8, BGR, to draw on."""
    return np.asarray(read_rgb(path))[..., ::-1]
