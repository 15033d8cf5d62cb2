"""Reading a whole network pickled by torch.save without its source code, and without executing what is in the file.

Such a file is a pickle that names the classes of all modules. Here each of them becomes an empty shell that only holds
what the file says of it; anything else that a pickle could import or call is refused by name. The tensors themselves
are read by torch, from the zip container (since torch 1.6) or the legacy one.
"""

from __future__ import annotations

import collections
import pickle
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from common.errors import GuideError
from common.export.checkpoint import state_dict

_TOP = "reid.models.resnet.ResNet"
_MODULES = {
    _TOP,
    "torchvision.models.resnet.ResNet",
    "torchvision.models.resnet.Bottleneck",
    "torch.nn.modules.activation.ReLU",
    "torch.nn.modules.batchnorm.BatchNorm1d",
    "torch.nn.modules.batchnorm.BatchNorm2d",
    "torch.nn.modules.container.Sequential",
    "torch.nn.modules.conv.Conv2d",
    "torch.nn.modules.dropout.Dropout",
    "torch.nn.modules.linear.Linear",
    "torch.nn.modules.pooling.AdaptiveAvgPool2d",
    "torch.nn.modules.pooling.AvgPool2d",
    "torch.nn.modules.pooling.MaxPool2d",
}
_PLAIN = {
    "collections.OrderedDict": collections.OrderedDict,
    "__builtin__.set": set,
    "builtins.set": set,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,  # noqa: SLF001  the names torch.save writes
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,  # noqa: SLF001
}
_DEEPEST = 10  # modules inside of modules; the network has 4
_LEGACY_MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)


class _Shell:
    """A module without its class: only the attributes that the file gives it."""


_SHELLS = {name: type(name, (_Shell,), {}) for name in _MODULES}


class _ShellUnpickler(pickle.Unpickler):
    """Finds shells, the two functions that rebuild tensors, and plain containers; refuses the rest by name."""

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        found = _SHELLS.get(wanted) or _PLAIN.get(wanted)
        if found is None:
            raise GuideError(
                f"refused, nothing in it was executed: it asks for {wanted}. "
                "Expected the tensors and modules of a PCB network, or a state dict."
            )
        return found


def _load(file: Any, **options: Any) -> Any:
    return _ShellUnpickler(file, **options).load()


# What torch.load takes in place of the module `pickle`.
_PICKLE_MODULE = types.SimpleNamespace(
    Unpickler=_ShellUnpickler, load=_load, __name__="pcb_market.module_pickle"
)


def read_weights(path: Path) -> dict[str, Any]:
    """Return the state dict of a file that holds a whole network or a state dict."""
    if not path.is_file():
        raise GuideError(f"{path}: no such checkpoint.")
    _check_container(path)
    try:
        with warnings.catch_warnings():  # of sources that are not compared
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", pickle_module=_PICKLE_MODULE, weights_only=False)
    except GuideError as error:
        raise GuideError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001  a damaged file can fail anywhere in torch's reader
        kind = type(error).__name__
        raise GuideError(f"{path}: not a checkpoint that torch can read, or damaged ({kind}).") from None
    if not isinstance(content, _Shell):
        return state_dict(content, path)
    if type(content).__name__ != _TOP:
        raise GuideError(f"{path}: expected the network {_TOP}, found {type(content).__name__}.")
    return state_dict(dict(_entries(content, path)), path)


def _check_container(path: Path) -> None:
    """Refuse what torch.load would take for another kind of file, with a reader of its own: TorchScript, tar."""
    with path.open("rb") as file:
        start = file.read(len(_LEGACY_MAGIC))
    if start == _LEGACY_MAGIC:
        return
    try:
        with ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (BadZipFile, OSError, ValueError):
        raise GuideError(f"{path}: not a checkpoint saved by torch.save, or damaged.") from None
    if "constants.pkl" in names or "data.pkl" not in names:
        raise GuideError(
            f"{path}: refused: a TorchScript archive or another kind of zip file, no checkpoint."
        )


def _entries(module: _Shell, path: Path, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield names and tensors in the order of a state dict: parameters, buffers, then the modules inside."""
    parts = [vars(module).get(name) for name in ("_parameters", "_buffers", "_modules")]
    tables = [part for part in parts if isinstance(part, dict)]
    if depth > _DEEPEST or len(tables) < len(parts):
        raise GuideError(f"{path}: {prefix or 'the network'}: not a module as torch saves it, or damaged.")
    parameters, buffers, modules = tables
    for name, value in (*parameters.items(), *buffers.items()):
        if value is not None:
            yield f"{prefix}{name}", value
    for name, inner in modules.items():
        if isinstance(inner, _Shell):
            yield from _entries(inner, path, f"{prefix}{name}.", depth + 1)
