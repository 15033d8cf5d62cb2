"""From a checkpoint file to a network: found, read without executing anything in it, loaded strictly.

torch is imported by the functions that need it, so that a deployment without torch can import this module.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common.cli import shorten
from common.errors import GuideError
from common.export import download
from common.facts import Facts

if TYPE_CHECKING:
    from torch import Tensor, nn

Network = TypeVar("Network", bound="nn.Module")
_WRAPPERS = ("state_dict", "model")  # keys under which training scripts keep the state dict


def published(facts: Facts, folder: Path) -> Path:
    """Return the published checkpoint in `folder/weights/`, downloaded if it is not there, verified in either case."""
    return download.fetch(facts.checkpoint, folder / "weights")


def read(path: Path) -> Any:
    """Read a file saved by torch.save with `weights_only=True`: nothing in it is executed.

    Anything but tensors and plain containers is refused by name.
    """
    import torch

    if not path.is_file():
        raise GuideError(f"{path}: no such checkpoint.")
    try:
        with warnings.catch_warnings():  # torch warns of kinds of file that are refused here anyway
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))  # torch's own text advises to load it all the same
        raise GuideError(
            f"{path}: refused, nothing in it was executed: it is damaged or holds more than tensors"
            + (f" ({found[1]})" if found else "")
            + ". Expected a state dict saved by torch.save."
        ) from None
    except Exception as error:  # noqa: BLE001  a damaged file can fail anywhere in torch's reader
        kind = type(error).__name__
        raise GuideError(f"{path}: not a checkpoint that torch can read, or damaged ({kind}).") from None


def state_dict(content: Any, path: Path) -> dict[str, Any]:
    """Return the state dict that a file's content is or holds, without the prefix `module.`."""
    import torch

    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if key in content), content)
    if not isinstance(content, dict) or not any(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        keys = f" with the keys {shorten(map(str, content))}" if isinstance(content, dict) else ""
        raise GuideError(
            f"{path}: expected a state dict, tensors by name, found a {type(content).__name__}{keys}."
        )
    weights = {str(key).removeprefix("module."): value for key, value in content.items()}
    if len(weights) < len(content):
        raise GuideError(f"{path}: holds entries both with and without the prefix `module.`.")
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


def seeded(build: Callable[[], Network]) -> Network:
    """Return a network with weights drawn from a fixed seed, for trying the tools without the published ones."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build()
    network.eval()
    return network
