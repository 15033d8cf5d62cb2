"""The two sides of a comparison: ONNX Runtime in float32, and what it is compared with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.backends import om, openvino
from common.backends.base import Backend
from common.backends.deployed import Runtime, open_model
from common.backends.emulation import OPTIONS, Emulation
from common.errors import GuideError
from common.export import om_file
from common.facts import Facts, read_facts
from common.graph.aipp import Aipp
from common.graph.external import network_hash
from common.npu_tools import om_record, smi
from common.npu_tools.convert import convert
from common.report.emulated import EMULATED

OM, BFLOAT16, OPENVINO = "om", "bfloat16", "openvino"
AGAINST = (OM, EMULATED, BFLOAT16, OPENVINO)
# The largest error of rounding a number to a format, in units of the number.
HALF, _BFLOAT16, _FLOAT32 = 2.0**-11, 2.0**-8, 2.0**-24


@dataclass(frozen=True)
class Against:
    """What float32 is compared with, as a user chose it.

    Attributes:
        kind: a name of AGAINST.
        aipp: the preprocessing that is built into both sides.
        folder: the model directory, for its options of ATC.
        om: an OM file that is there, for OM.
        soc_version: the chip; None for this machine's, or for the guides' where half precision is emulated.
        options: options of ATC, taken before those of model.toml.
    """

    kind: str
    aipp: Aipp | None = None
    folder: Path = Path()
    om: Path | None = None
    soc_version: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def check(self, *, nodes: bool) -> None:
        """Refuse at once what is not there, or goes not together."""
        if self.kind != OM:
            self._check_not_om()
            return
        om.check_there(self.om)
        if self.om is None or nodes:
            self.facts()
            if shutil.which("atc") is None or self.soc_version is None:
                om_file.check_there()

    def _check_not_om(self) -> None:
        if self.om:
            raise GuideError("--om is for --against om; leave it out.")
        given = ["--option"] * bool(self.options) + ["--soc-version"] * bool(self.soc_version)
        if given and self.kind != EMULATED:
            raise GuideError(f"{given[0]} is for --against om and {EMULATED}; leave it out.")
        strange = sorted(set(self.options) - set(OPTIONS))
        if strange:
            raise GuideError(f"--option {strange[0]}: --against {EMULATED} takes {', '.join(OPTIONS)} alone.")
        if self.kind in (BFLOAT16, OPENVINO):
            self._check_openvino()

    def _check_openvino(self) -> None:
        try:
            core = openvino.check_there("float32")
        except GuideError:
            raise GuideError(
                f"--against {self.kind}: needs the package openvino, which {sys.executable} does not have, or which does not "
                "work there. Install it: pip install -r requirements-openvino.txt, a file in each model's directory; or take "
                f"--against {EMULATED}, which needs nothing more."
            ) from None
        there = openvino.precisions(core)
        if self._precision not in there:
            raise GuideError(
                f"--against {self.kind}: OpenVINO cannot compute in it on this CPU, but in {' and '.join(there)}. Take "
                f"--against {EMULATED} or {OPENVINO}, or another CPU (lscpu shows avx512_bf16 or amx_bf16)."
            )

    @property
    def _precision(self) -> str:
        return BFLOAT16 if self.kind == BFLOAT16 else "float32"

    def facts(self) -> Facts:
        """Return model.toml, which says how ATC is called."""
        return read_facts(self.folder)

    def for_atc(self, model: Path) -> Path:
        """Return the ONNX file that ATC takes, which for some networks is another one, beside the one that runs here."""
        name = self.facts().atc.onnx
        path = model.with_name(Path(name).name) if name else model
        if not path.is_file():
            raise GuideError(
                f"{path}: no such ONNX file, which ATC takes in the place of {model.name}, as model.toml says. Make it as the "
                "README's section 3 says."
            )
        return path

    def open(self, model: Path, batch_size: int, out: Path) -> Backend:
        """Open it: an ONNX file, or the OM file made of it in the directory `out`, or the one that is there."""
        if self.kind == OM:
            if self.om:
                _note_another(self.om, model)
            path = self.om or self.converted(model, batch_size, out, {})
            facts = self.facts() if (self.folder / "model.toml").is_file() else None
            names = (
                [tensor.name for tensor in facts.inputs] if facts else (),
                [tensor.name for tensor in facts.outputs] if facts else (),
            )
            return om.open_om(path, (0,), self.aipp, names)
        return self.open_onnx(model, batch_size)

    def open_onnx(self, model: Path, batch_size: int) -> Backend:
        """Open an ONNX file, not on an NPU."""
        if self.kind == EMULATED:
            chosen = Emulation(self.soc_version, tuple(self.options.items()))
            runtime = Runtime(precision=EMULATED, emulation=chosen)
        else:
            runtime = Runtime("openvino", precision=self._precision)
        return open_model(model, runtime, self.aipp, batch_size=batch_size, folder=self.folder)

    def converted(self, model: Path, batch_size: int, out: Path, options: Mapping[str, str]) -> Path:
        """Return the OM file that ATC makes of an ONNX file with further options, unless it is there and up to date."""
        own = {} if self.aipp else {"insert_op_conf": ""}
        soc_version = self.soc_version or smi.soc_version()
        given = {**own, **self.options, **options}
        return convert(
            self.facts(),
            self.folder,
            self.for_atc(model),
            batch_size,
            out=out,
            soc_version=soc_version,
            options=given,
        )


def _note_another(om_path: Path, model: Path) -> None:
    """Say where an OM file was made of another file than the one it is compared with, which for some networks is right."""
    record = om_record.read(om_path)
    if record and record.onnx_hash != network_hash(model):
        print(
            f"note: {om_path}: made from {record.onnx}, not from what is in {model}.",
            file=sys.stderr,
            flush=True,
        )


def open_base(model: Path, aipp: Aipp | None, batch_size: int) -> Backend:
    """Open an ONNX file with ONNX Runtime in float32."""
    return open_model(model, Runtime("onnxruntime"), aipp, batch_size=batch_size)


def rounding(precision: str) -> float:
    """Return the largest error of rounding a number to what a backend computes in, in units of the number.

    An OM file of which nothing is known computes in half precision, which is ATC's default.
    """
    if precision.startswith("bfloat16"):
        return _BFLOAT16
    return _FLOAT32 if precision == "float32" else HALF
