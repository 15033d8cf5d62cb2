"""What workers on other machines are given by Ray's runtime environment: the code, the model, the packages."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common import errors
from common.graph import outline
from common.graph.external import weight_files
from common.npu_tools import om_record
from common.report.versions import packages

MODEL = "model"  # the folder of the model file in what is sent
OPTIONS = "options"  # and that of files which a user's options name, see `Emulation.with_files`
_SETTINGS = (
    ".toml",
    ".json",
    ".cfg",
    ".config",
    ".txt",
)  # files of a model directory that opening a model may read
_MOST = 2**20  # bytes of one of them
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_EXCLUDED = ["__pycache__", "*.pyc"]


def runtime_env(model: Path, folder: Path, files: Mapping[str, Path], staging: Path) -> dict[str, Any]:
    """Return Ray's runtime environment with this library, a model directory's package, its settings and a model file.

    Args:
        model: the ONNX or OM file; what belongs to it beside it goes along.
        folder: the model directory.
        files: those that options name, by the option.
        staging: an empty directory, which has to stay until the environment was taken.
    """
    for path in _settings(folder):
        (staging / path.name).symlink_to(path.resolve())
    (staging / MODEL).mkdir()
    for path in _with_model(model):
        target = staging / MODEL / path.relative_to(model.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.resolve())
    (staging / OPTIONS).mkdir()
    for name, path in files.items():
        (staging / OPTIONS / name).symlink_to(path.resolve())
    return {
        "py_modules": [str(path) for path in (Path(errors.__file__).parent, *model_packages(folder))],
        "working_dir": str(staging),
        "excludes": _EXCLUDED,
    }


def model_packages(folder: Path) -> list[Path]:
    """Return the directories of the packages in a model directory, mostly one."""
    return sorted(path.parent for path in folder.glob("*/__init__.py") if path.parent.name != "tests")


def _settings(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.suffix in _SETTINGS and path.is_file() and path.stat().st_size <= _MOST:
            yield path


def _with_model(model: Path) -> list[Path]:
    """Return a model file and the files beside it that it is not whole without."""
    if model.suffix == ".om":
        record = om_record.path_of(model)
        return [model, record] if record.is_file() else [model]
    return [model, *weight_files(model, outline.load(model, check=False))]


def pins(folder: Path, *names: str) -> list[str]:
    """Return what workers have to install: what this library and the requirement files need, in the versions of here.

    Args:
        folder: the model directory.
        names: of the requirement files, without the suffix.
    """
    lines = _own_requirements()
    for name in names:
        lines += (folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    wanted = {found[0] for line in lines if (found := _NAME.match(line.strip()))}
    wanted |= {name for name in packages() if name.startswith("onnxruntime")}  # for a GPU it has another name
    return [f"{name}=={version}" for name in sorted(wanted) if (version := _version(name))]


def _own_requirements() -> list[str]:
    """Return what this library requires; nothing is known of one that is a directory on the path."""
    try:
        lines = importlib.metadata.requires("ascend-guides-common") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [line for line in lines if "extra ==" not in line]


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # of another Python or system, as its marker says
        return None


def package_names(pinned: Iterable[str]) -> list[str]:
    """Return the names of pinned packages."""
    return [*_versions(pinned)]


def _versions(pinned: Iterable[str]) -> dict[str, str]:
    return dict(pin.split("==") for pin in pinned)


def different(there: Mapping[str, str], pinned: Iterable[str]) -> list[str]:
    """Return, in words, which of the pinned packages that results depend on a worker has in other versions, or lacks."""
    wanted = _versions(pinned)
    return [
        f"{name} {there.get(name, 'missing')} (here {wanted[name]})"
        for name in packages()
        if name in wanted and there.get(name) != wanted[name]
    ]


def lacks(there: Mapping[str, str], pinned: Iterable[str]) -> bool:
    """Tell whether a machine has to be given the pinned packages: it lacks one, or results would depend on another version."""
    return bool(different(there, pinned) or set(package_names(pinned)) - set(there))
