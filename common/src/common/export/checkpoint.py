"""From a checkpoint file to a network: found, read without executing anything in it, loaded strictly.

torch is imported by the functions that need it, so that a deployment without torch can import this module.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common.cli import announce, shorten
from common.errors import GuideError
from common.export import download, pin
from common.export.torch_file import Stored, check_checkpoint, open_torch_file
from common.facts import Facts

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")
PLACES = ("weights", "model", "")  # where a model directory has its checkpoint: ours, and the guides'
_WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the state dict


def find(facts: Facts, folder: Path) -> Path | None:
    """Return the published checkpoint in one of the PLACES in `folder`, verified; None where there is none.

    The guide's own file, where that is another one of which nothing is published, goes first and is taken as it is.
    """
    for wanted in filter(None, (facts.checkpoint.guides, facts.checkpoint)):
        for place in PLACES:
            path = folder / place / wanted.file
            if os.path.lexists(path):
                check_checkpoint(path)  # a link to nothing, too: no other file is taken in silence
                download.verify(path, wanted)
                return path
    return None


def published(facts: Facts, folder: Path) -> Path:
    """Return the published checkpoint that is there, see `find`, else downloaded to the first of the PLACES, and verified."""
    if there := find(facts, folder):
        return there
    guides = facts.checkpoint.guides
    try:
        return download.fetch(facts.checkpoint, folder / PLACES[0])
    except download.UnavailableError as error:
        if guides is None:
            raise
        other = f"Or put the guide's own {guides.file} there, from {' or '.join(guides.urls)}."
        raise download.UnavailableError(f"{error}\n{other}") from None


def check_named(given: Path) -> None:
    """Refuse at once what a user named and is no file."""
    try:
        check_checkpoint(given)
    except GuideError as error:
        raise GuideError(f"{error} Where none is named, the published one is taken.") from None


def choose(given: Path | None, facts: Facts, folder: Path, sha256: str | None = None) -> Path:
    """Return the checkpoint that a user named, refused at once if it is no file; without one the published one.

    It must be the file that the user knows by its SHA-256, see `pin.check`. One's own weights may have the published
    file's name: that is noted, for they are taken. What comes next is announced: torch is imported and the weights are
    read.
    """
    if given is not None:
        check_named(given)
    chosen = given or published(facts, folder)
    pin.check(chosen, sha256)
    if given and given.name == facts.checkpoint.file:
        try:
            download.verify(given, facts.checkpoint)
        except GuideError:
            print(f"note: {given} has the name of the published checkpoint, but is another file; it is taken")
    announce(f"starting torch, reading {chosen}")
    return chosen


def read(
    path: Path, known: Mapping[str, Any] | None = None, unpack: Callable[[Any], Any] = lambda content: content
) -> dict[str, Any]:
    """Return the state dict that a file saved by torch.save is or holds, without the prefix `module.`.

    Nothing in it is executed, see `torch_file`; `known` are names that the file may ask for beyond tensors and
    dictionaries, `unpack` turns what it holds into a state dict if it is none.
    """
    with open_torch_file(path, known) as file:
        content = unpack(file.content)
        if isinstance(content, dict):
            content = next((content[key] for key in _WRAPPERS if key in content), content)
        if not isinstance(content, dict) or not any(isinstance(value, Stored) for value in content.values()):
            keys = f" with the keys {shorten(map(str, content))}" if isinstance(content, dict) else ""
            kind = "tensor" if isinstance(content, Stored) else type(content).__name__
            raise GuideError(f"expected a state dict, tensors by name, found a {kind}{keys}.")
        weights = {
            str(key).removeprefix("module."): file.tensor(value) if isinstance(value, Stored) else value
            for key, value in content.items()
        }
        if len(weights) < len(content):
            raise GuideError("holds entries both with and without the prefix `module.`.")
        return weights


def load(network: Network, weights: Mapping[str, Any], path: Path, title: str) -> Network:
    """Load weights into a network and return it in evaluation mode.

    Missing, superfluous or wrongly shaped entries and values that are not finite are errors.
    """
    problems = _problems(network.state_dict(), weights)
    if problems:
        raise GuideError(f"{path}: not a checkpoint of {title}:\n  " + "\n  ".join(problems[:8]))
    network.load_state_dict(weights)
    network.eval()
    return network


def _problems(expected: Mapping[str, Tensor], weights: Mapping[str, Any]) -> list[str]:
    """Say what keeps weights from being loaded: each entry must be there, a plain tensor, of its shape, finite."""
    import torch

    problems = []
    missing = [key for key in expected if key not in weights]
    if missing:
        problems.append(f"{len(missing)} of {len(expected)} entries are missing: {shorten(missing)}")
    extra = [key for key in weights if key not in expected]
    if extra:
        problems.append(f"{len(extra)} entries do not belong to it: {shorten(extra)}")
    for key, wanted in expected.items():
        found = weights.get(key, wanted)
        if not isinstance(found, torch.Tensor) or found.layout != torch.strided or found.device.type != "cpu":
            problems.append(f"{key}: expected a dense tensor, found {type(found).__name__}")
        elif (
            found.is_floating_point() != wanted.is_floating_point()
            or found.is_quantized
            or found.is_complex()
        ):
            problems.append(f"{key}: expected {wanted.dtype}, found {found.dtype}")
        elif found.shape != wanted.shape:
            problems.append(f"{key}: expected shape {tuple(wanted.shape)}, found {tuple(found.shape)}")
        elif not torch.isfinite(found).all():
            problems.append(f"{key}: holds values that are not finite")
    return problems
