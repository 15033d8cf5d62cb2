"""The versions that a figure can depend on."""

from __future__ import annotations

import importlib.metadata
import platform

_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "pillow",
    "scikit-learn",
    "onnx",
    "onnxruntime",
    "torch",
    "torchvision",
    "ascend-guides-common",
)


def packages() -> dict[str, str]:
    """Return the versions of the installed packages that a figure can depend on."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def versions() -> dict[str, str]:
    """Return the versions of Python, of the platform and of the packages."""
    return {"python": platform.python_version(), "platform": platform.platform(), **packages()}
