"""The ONNX files of the model that one stands beside: those that are named, else where the guide's steps put them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ascend_tools.at_hand import atc_files, onnx_files
from ascend_tools.benchmark.plan import Plan
from common.errors import GuideError
from common.graph.outline import describe, load

_MAKE = "make it with python pth2onnx.py, or python evaluate.py"


@dataclass(frozen=True)
class Onnx:
    """The ONNX files by batch size, None for the one that takes any, and in words why there is none.

    `for_atc` is the one that ATC converts, None where there is none; `lying` is that of the model directory, if any.
    """

    models: Mapping[int | None, Path]
    reason: str = ""
    for_atc: Path | None = None
    lying: Path | None = None

    def reference(self, batch_size: int) -> Path | None:
        """Return the file with which outputs of batches of a size are compared."""
        exact = self.models.get(batch_size) or self.models.get(None)
        return exact or next(iter(self.models.values()), None) or self.lying


def find_onnx(plan: Plan) -> Onnx:
    """Return the ONNX files that a plan names, else the one that lies in the model directory or in output/."""
    named = [path for path in plan.models if path.suffix == ".onnx"]
    for path in plan.models:
        if path.suffix not in (".onnx", ".om"):
            raise GuideError(f"{path}: expected an .onnx file, or an .om file, which runs on the NPU.")
        if not path.is_file():
            raise GuideError(f"{path}: no such model file; {_MAKE}, or an OM with python -m common.atc.")
    lying = next(iter(onnx_files(plan.facts, plan.folder)), None)
    if not named and not plan.models and lying:
        named = [lying]
    models: dict[int | None, Path] = {}
    for path in named:
        first = describe(load(path, check=False)).inputs[0].shape[:1]
        size = first[0] if first and isinstance(first[0], int) else None
        if size in models:
            takes = "any batch size" if size is None else f"batches of {size}"
            raise GuideError(f"{path}: takes {takes}, as {models[size]} does; name one of them.")
        models[size] = path
    reason = (
        ""
        if models
        else f"there is no ONNX file: --model names OM files alone, or {plan.facts.onnx} is missing; {_MAKE}"
    )
    return Onnx(models, reason, _for_atc(plan, models), lying)


def _for_atc(plan: Plan, models: Mapping[int | None, Path]) -> Path | None:
    """Return the ONNX file for ATC: beside those that run elsewhere where it is another one."""
    if not plan.models:
        return next(iter(atc_files(plan.facts, plan.folder)), None)
    first = next(iter(models.values()), None)
    if first is None or plan.facts.atc.onnx is None:
        return first
    beside = first.with_name(Path(plan.facts.atc.onnx).name)
    return beside if beside.is_file() else None
