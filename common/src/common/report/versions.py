"""The versions that a figure can depend on."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence

# Packages, each with the name it is imported by.
_PACKAGES = {
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "simplejpeg": "simplejpeg",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "onnxruntime-gpu": "onnxruntime",
    "onnxruntime-cann": "onnxruntime",
    "openvino": "openvino",
    "ascend-guides-common": "common",
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
}
_EXPORT = ("torch", "torchvision", "timm")  # the exported file tells what they made


def packages() -> dict[str, str]:
    """Return the versions of the installed packages that the results of an exported network can depend on."""
    return {name: found for name in _PACKAGES if name not in _EXPORT and (found := _version(name))}


def versions() -> dict[str, str]:
    """Return the versions of Python, of the platform and of the packages that took part: those that were imported."""
    used = [name for name, module in _PACKAGES.items() if module in sys.modules]
    found = {name: version for name in used if (version := _version(name))}
    return {"python": platform.python_version(), "platform": platform.platform(), **found}


def installed(names: Sequence[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    return {name: found for name in names if (found := _version(name))}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
