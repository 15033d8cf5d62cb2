"""report/versions.py: what a figure can depend on."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import subprocess
import sys

from common.report import versions as module
from common.report.versions import packages, versions


def test_versions_are_those_of_python_of_the_platform_and_of_the_packages_imported():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["platform"] == platform.platform()
    for package in ("numpy", "onnx", "ascend-guides-common"):
        assert found[package] == importlib.metadata.version(package)
    assert all(isinstance(version, str) for version in found.values())


def test_what_took_no_part_is_not_among_the_versions():
    source = "import json, common.evaluation, common.report.versions as v; print(json.dumps([*v.versions(), *v.packages()]))"
    done = subprocess.run([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, check=True)
    names = json.loads(done.stdout)
    assert names.count("numpy") == 2
    assert names.count("onnxruntime") == 1  # installed, and no network was opened
    assert "torch" not in names


def test_what_made_the_exported_file_does_not_make_its_results_others(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "torch" in versions()
    assert packages().keys().isdisjoint(["torch", "torchvision", "timm"])


def test_a_package_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", {"numpy": "numpy", "no-such-package": "sys"})
    assert list(packages()) == ["numpy"]
    assert list(versions()) == ["python", "platform", "numpy"]


def test_onnx_runtime_is_told_under_the_name_of_the_package_that_brought_it(monkeypatch):
    def version(package):
        if package == "onnxruntime":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.2.3"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "onnxruntime" not in packages()
    assert packages()["onnxruntime-gpu"] == "1.2.3"
