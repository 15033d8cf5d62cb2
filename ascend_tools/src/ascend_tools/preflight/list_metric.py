"""A model's metric in emulated half precision with a list, by the model directory's own evaluate.py."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ascend_tools.preflight.lists import Kind
from common import process
from common.errors import GuideError
from common.files import file_hash, make_folder, read_text
from common.report.emulated import EMULATED
from common.report.metrics_json import FILE

_SCRIPT = "evaluate.py"
_REMEDY = "Run this where that Python is."
_NOT_FINITE = "not finite"  # in its message on outputs that left the range


@dataclass(frozen=True)
class Evaluation:
    """How a model directory's evaluate.py is run.

    Attributes:
        folder: the model directory.
        model: the ONNX file.
        data: the data set; None for the sample pictures, on which the metric is against torch's results.
        checkpoint: the weights that torch has then; None for the published or seeded ones.
        limit: the first so many pictures only.
        soc_version: the chip.
        out: where it writes.
    """

    folder: Path
    model: Path
    data: Path | None
    checkpoint: Path | None
    limit: int | None
    soc_version: str
    out: Path

    def check(self) -> None:
        """Refuse a directory without the script."""
        if not (self.folder / _SCRIPT).is_file():
            raise GuideError(f"--metric: no {_SCRIPT} here; run this in the model's directory.")

    @property
    def decisive(self) -> str:
        """What decides a metric, beside the network: the script's code, and which files the data set has."""
        code = sorted((*self.folder.glob("*.py"), *self.folder.glob("*/*.py")))
        files = [f"{path.name} {file_hash(path)}" for path in code]
        if self.checkpoint:
            files.append(f"checkpoint {file_hash(self.checkpoint)}")
        if self.data:
            for root, folders, names in os.walk(self.data):
                folders.sort()
                found = [(name, (Path(root) / name).stat()) for name in sorted(names)]
                files += [f"{root}/{name} {state.st_size} {state.st_mtime_ns}" for name, state in found]
        return "\n".join((*files, str(self.limit)))

    def figures(self, kind: Kind | None, kept: Collection[str] | None) -> dict[str, float]:
        """Return the metric, by name: in float32 where `kind` is None, without a list where `kept` is None.

        NaN stands for a figure that could not be computed, since numbers left the range.
        """
        make_folder(self.out)
        words = [
            sys.executable,
            _SCRIPT,
            "--model",
            str(self.model.resolve()),
            "--out",
            str(self.out.resolve()),
        ]
        words += ["--data", str(self.data.resolve())] if self.data else []
        words += ["--checkpoint", str(self.checkpoint.resolve())] if self.checkpoint else []
        words += ["--limit", str(self.limit)] if self.limit else []
        if kind:
            words += ["--precision", EMULATED, "--soc-version", self.soc_version]
            # What is in model.toml is left out, or another in its place.
            options = {"modify_mixlist": "", "keep_dtype": "", "precision_mode_v2": "", "precision_mode": ""}
            if kept is not None:
                options["precision_mode"] = kind.mode
                options |= {kind.option: str(kind.write(self.out.resolve(), [*kept]))} if kept else {}
            words += [f"--option={name}={value}" for name, value in options.items()]
        report = self.out / FILE
        report.unlink(missing_ok=True)
        log = self.out / "evaluate.log"
        _, printed = process.run(words, _REMEDY, capture=True, log=log, folder=self.folder)
        found = _figures(report, is_sample=self.data is None) if report.is_file() else {}
        if found:
            return found
        if kind and _NOT_FINITE in printed:
            return {"metric": math.nan}
        last = "\n  ".join(printed.strip().splitlines()[-5:])
        raise GuideError(
            f"{_SCRIPT} has computed no metric; {log} has all that it said, at the end:\n  {last}"
        )


def drops(float32: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each figure is less than in float32, as a share of that; infinite where there is none."""
    return {
        name: (whole - found.get(name, math.nan)) / whole
        if math.isfinite(found.get(name, math.nan))
        else math.inf
        for name, whole in float32.items()
        if whole > 0
    }


def _figures(path: Path, *, is_sample: bool) -> dict[str, float]:
    """Return the figures of metrics.json that are published ones, of sample pictures the one against torch's results."""
    report: dict[str, Any] = json.loads(read_text(path))
    if is_sample:
        metric = report.get("agreement", {}).get("metric") or {}
        return {metric["name"]: metric["value"]} if metric.get("value") is not None else {}
    metrics = {name: report["metrics"].get(name) for name in report["published"]}
    return {name: math.nan if value is None else float(value) for name, value in metrics.items()}
