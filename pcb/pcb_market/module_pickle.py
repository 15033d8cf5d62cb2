"""Reading a whole network pickled by torch.save without its source code, and without executing what is in the file.

Such a file is a pickle that names the classes of all modules. Here each of them becomes an empty shell that only holds
what the file says of it; anything else that a pickle could import or call is refused by name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import GuideError
from common.export import checkpoint
from common.pickles import plain_set

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
_DEEPEST, _MOST = 10, 10_000  # modules inside of modules, and in all; the network has 4, and some 200


class _Shell:
    """A module without its class: only the attributes that the file gives it."""

    def set_state(self, state: Any) -> None:
        """Take what the file says of the module."""
        vars(self).update(state)


_SHELLS = {name: type(name, (_Shell,), {}) for name in _MODULES}
_KNOWN = {**_SHELLS, "__builtin__.set": plain_set, "builtins.set": plain_set}


def read_weights(path: Path) -> dict[str, Any]:
    """Return the state dict of a file that holds a whole network or a state dict."""
    return checkpoint.read(path, _KNOWN, _unpack)


def _unpack(content: Any) -> Any:
    """Return the entries of a whole network; anything else as it is."""
    if not isinstance(content, _Shell):
        return content
    if type(content).__name__ != _TOP:
        raise GuideError(f"expected the network {_TOP}, found {type(content).__name__}.")
    return dict(_entries(content, itertools.count()))


def _entries(
    module: _Shell, visited: Iterator[int], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yield names and tensors in the order of a state dict: parameters, buffers, then the modules inside."""
    parts = [vars(module).get(name) for name in ("_parameters", "_buffers", "_modules")]
    tables = [part for part in parts if isinstance(part, dict)]
    if depth > _DEEPEST or next(visited) > _MOST or len(tables) < len(parts):
        raise GuideError(f"{prefix or 'the network'}: not a module as torch saves it, or damaged.")
    parameters, buffers, modules = tables
    for name, value in (*parameters.items(), *buffers.items()):
        if value is not None:
            yield f"{prefix}{name}", value
    for name, inner in modules.items():
        if isinstance(inner, _Shell):
            yield from _entries(inner, visited, f"{prefix}{name}.", depth + 1)
