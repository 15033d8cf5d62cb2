"""report/versions.py: what a figure can depend on."""

from __future__ import annotations

import importlib.metadata
import platform

from common.report import versions as module
from common.report.versions import packages, versions


def test_versions_are_those_of_python_of_the_platform_and_of_the_packages_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["platform"] == platform.platform()
    for package in ("numpy", "onnx", "onnxruntime", "ascend-guides-common"):
        assert found[package] == importlib.metadata.version(package)
    assert all(isinstance(version, str) for version in found.values())
    assert packages().items() < found.items()
    assert found.keys() - packages().keys() == {"python", "platform"}


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package"))
    assert list(packages()) == ["numpy"]
