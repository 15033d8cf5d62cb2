"""Pictures whose spectrum falls off as that of photographs does, so that decoding and encoding take as long as theirs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DIFFERENT = 16  # pictures; a larger data set has them again


def natural_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return a picture of noise, HxWx3 uint8 BGR, whose amplitudes fall with the frequency to a power of 1.2 to 1.8.

    Photographs have about 1, but their detail is not everywhere, as that of noise is; the higher power gives JPEG files
    of as many bytes. Colours vary a quarter as much as brightness does.
    """
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = 1.0
    damping = frequency ** random.uniform(1.2, 1.8)

    def field() -> NDArray[np.float64]:
        noise = np.fft.rfft2(random.standard_normal((height, width)))
        values = np.fft.irfft2(noise / damping, (height, width))
        return (values - values.mean()) / values.std()

    bright, warm, green = field(), 0.25 * field(), 0.15 * field()
    picture = np.stack((bright + warm - green, bright, bright - warm + green), axis=2)
    return (118 + 55 * picture).clip(0, 255).astype(np.uint8)


@functools.cache
def jpeg(height: int, width: int, quality: int, seed: int) -> bytes:
    """Return such a picture as a JPEG file; there are `DIFFERENT` ones."""
    if seed >= DIFFERENT:
        return jpeg(height, width, quality, seed % DIFFERENT)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    encoded: Any = cv2.imencode(".jpg", natural_picture(height, width, seed), options)[1]
    return bytes(encoded)


def write_jpeg(path: Path, size: tuple[int, int], quality: int, seed: int) -> Path:
    """Write such a picture, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(*size, quality, seed))
    return path
