"""The OM files of the model that one stands beside, converted first where ATC and a chip are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ascend_tools.at_hand import om_files
from ascend_tools.benchmark.measurements import Candidate, LeftOut
from ascend_tools.benchmark.onnx_at_hand import Onnx
from ascend_tools.benchmark.plan import Plan
from common import rehearsal
from common.backends import om
from common.errors import GuideError
from common.graph.aipp_file import named_aipp
from common.npu_tools import convert, om_job, om_record, smi
from common.report.throughput import card_of

NAME = "om"
_CONVERT = (
    "convert it on a machine with CANN: python -m common.atc --batch-size {size} --soc-version Ascend310P3"
)


def look_for_om(plan: Plan, onnx: Onnx) -> Iterator[Candidate | LeftOut]:
    """Yield OM files that can run here, one candidate for each precision they were made with, and what cannot."""
    try:
        om.check_there()
        chips = {chip.device: chip.soc for chip in smi.chips()}
    except GuideError as error:
        yield LeftOut(NAME, None, " ".join(str(error).split()))
        return
    if not chips:
        yield LeftOut(
            NAME, None, "npu-smi shows no chips; python -m ascend_tools.doctor says what is in the way"
        )
        return
    devices = plan.devices or (min(chips),)
    unknown = [device for device in devices if device not in chips]
    if unknown:
        there = ", ".join(map(str, sorted(chips)))
        yield LeftOut(NAME, None, f"npu-smi shows no device {unknown[0]}; the devices are {there}")
        return
    named = [path for path in plan.models if path.suffix == ".om"]
    found = {size: path for path in named for size in _sizes(plan, path)}
    for size in plan.sizes:
        if size in found:
            continue
        if named:
            yield LeftOut(NAME, size, "none of the OM files that --model names takes this batch size")
            continue
        try:
            found[size] = _file(plan, onnx, size)
        except GuideError as error:
            yield LeftOut(NAME, size, str(error))
    soc = chips[devices[0]]
    by_precision: dict[tuple[str, bool], dict[int | None, Path]] = {}
    for size, path in sorted(found.items()):
        rehearsed = rehearsal.is_rehearsed_om(path)
        precision = rehearsal.precision(path) if rehearsed else om.precision_of(om_record.read(path))
        by_precision.setdefault((precision, rehearsed), {})[size] = path
    for (precision, rehearsed), models in by_precision.items():
        device = "CPU" if rehearsed else card_of(soc) or soc
        yield Candidate(NAME, device, precision, models, rehearsal=rehearsed, devices=len(devices))


def _sizes(plan: Plan, path: Path) -> list[int]:
    """Return the batch sizes that an OM file was made for, as far as they are known."""
    record = om_record.read(path)
    if record and record.batch_size is None:
        gears = record.options.get("dynamic_batch_size", "")
        return [int(word) for word in gears.split(",") if word.isdecimal()]
    described = om_job.describe(path, plan.facts, named_aipp(plan.facts, plan.folder))
    return [om_job.batch_size_of(described, plan.facts, None)]


def _file(plan: Plan, onnx: Onnx, size: int) -> Path:
    """Return the OM file of a batch size, converted first where it can be, else the one that is there."""
    if onnx.for_atc and shutil.which("atc"):
        return convert.convert(plan.facts, plan.folder, onnx.for_atc, size)
    fixed = isinstance(plan.facts.inputs[0].shape[0], int)
    for named, path in om_files(plan.facts, plan.folder):
        if named == size or (fixed and named is None):
            return path
    name = Path(plan.facts.atc.output).name.replace("{batch_size}", str(size))
    raise GuideError(f"there is no {name}.om; " + _CONVERT.format(size=size))
