"""An OM file that an evaluation makes on its way, where it is to run on the NPU and an ONNX file is all there is."""

from __future__ import annotations

from pathlib import Path

from common import process, rehearsal
from common.backends import om
from common.backends.deployed import Runtime
from common.errors import GuideError
from common.facts import Facts
from common.npu_tools import smi
from common.npu_tools.convert import convert
from common.timing import Stopwatch

_REMEDY = (
    "It makes an OM file of an ONNX file: source CANN's set_env.sh (source "
    "/usr/local/Ascend/ascend-toolkit/set_env.sh), or name an OM file with --model."
)


def is_needed(model: Path | None, runtime: Runtime) -> bool:
    """Tell whether an OM file has to be made: of a model, or, for None, of one that will be exported."""
    return runtime.backend == "om" and (model is None or model.suffix == ".onnx")


def check_there() -> None:
    """Refuse to begin where an OM file could not be made in the end: without ATC, or a chip that is known."""
    process.resolve("atc", _REMEDY)
    try:
        smi.soc_version()
    except GuideError as error:
        raise GuideError(
            f"{error} That is an option of python -m common.atc: make the OM file with it, and name it with --model."
        ) from None


def check_precision(facts: Facts, runtime: Runtime) -> None:
    """Refuse a precision, unless it is None, that an OM file made with the model's options would not compute in."""
    own = rehearsal.precision_here() if rehearsal.is_active() else om.precision_by(facts.atc.options)
    if runtime.precision not in (None, own):
        raise GuideError(
            f"--precision {runtime.precision}: with the options in model.toml ATC makes an OM file that computes in {own}. "
            "Leave --precision out, or make the OM file with python -m common.atc --option precision_mode=VALUE, and name "
            "it with --model."
        )


def om_file(
    facts: Facts,
    folder: Path,
    model: Path,
    runtime: Runtime,
    batch_size: int | None,
    out: Path,
    watch: Stopwatch,
) -> Path:
    """Return the file that `runtime` runs: a model, or the OM file made of it in the directory `out` where one is needed.

    It is made for batches of `batch_size`, or of 1, unless it is there and up to date. The seconds of "convert" are
    added to `watch`.
    """
    if not is_needed(model, runtime):
        return model
    with watch("convert"):
        return convert(facts, folder, model, batch_size or 1, out=out)
