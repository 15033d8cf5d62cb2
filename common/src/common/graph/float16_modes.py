"""Which nodes compute in half precision, by the precision modes and lists that ATC documents.

Sources. CANN documentation: "ATC, --precision_mode", "--precision_mode_v2", "--modify_mixlist", "--keep_dtype";
for overflow "INF_NAN_MODE_ENABLE" and "set_device_sat_mode".

Not known here: a chip's own lists for mixed precision, which CANN installs as aic-<soc_version>-ops-info.json. Products are
taken as allowed in half precision there (white list), and everything else as following what is before it (grey list).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from common.errors import GuideError
from common.files import read_text
from common.graph.atc_types import ATC_TYPES, Lists, plain_type, read_lists
from common.graph.float16_operators import PRODUCTS, is_standard

DEFAULT_MODE = "force_fp16"  # ATC's, for inference
_FORCED, _MIXED, _PRODUCTS_ALONE, _INTO_PRODUCTS, _NONE = (
    "forced",
    "mixed",
    "products",
    "into products",
    "none",
)
# --precision_mode and --precision_mode_v2 by what they do.
_MODES = {
    **dict.fromkeys(("force_fp16", "fp16"), _FORCED),
    **dict.fromkeys(("allow_mix_precision", "allow_mix_precision_fp16", "mixed_float16"), _MIXED),
    "allow_fp32_to_fp16": _PRODUCTS_ALONE,
    **dict.fromkeys(("force_fp32", "cube_fp16in_fp32out"), _INTO_PRODUCTS),
    **dict.fromkeys(("must_keep_origin_dtype", "origin"), _NONE),
}
# Chips that only saturate: 310, 310P (once called 710), 310B, 610 and the first 910. Later ones follow IEEE 754.
_SATURATING = re.compile(r"Ascend(310|610|615|710)\w*|Ascend910(A|ProA|ProB|PremiumA)?", re.ASCII)
_OPERATOR = "OpType::"


@dataclass(frozen=True)
class Rounding:
    """Whether a node's float32 inputs are rounded to half precision before it reads them, and its outputs after."""

    inputs: bool
    outputs: bool


HALF, FLOAT, INTO = Rounding(True, True), Rounding(False, False), Rounding(True, False)


@dataclass(frozen=True)
class Modes:
    """How half precision is emulated.

    `mode` is a value of --precision_mode or --precision_mode_v2. With `saturates` infinity becomes the largest number of
    half precision and NaN 0, else both stay. `black` and `white` are ATC's operator types that a mixed precision keeps in
    float32, and those that it does not, as `atc_types.plain_type` has them; `removed` are those taken off the white list;
    `kept` are the operator types and `names` the nodes of --keep_dtype.
    """

    mode: str = DEFAULT_MODE
    saturates: bool = True
    black: frozenset[str] = frozenset()
    white: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a mode that does not compute in half precision in a way that is known here."""
        if self.mode not in _MODES:
            raise GuideError(
                f"--precision float16-emulated: ATC's precision mode {self.mode} is not emulated, but {', '.join(_MODES)}."
            )

    def __str__(self) -> str:
        """Say in words what is emulated, the same for the same modes."""
        lists = {
            "in float32": self.black | {f"{_OPERATOR}{each}" for each in self.kept} | self.names,
            "in float16": self.white,
            "not on the white list": self.removed,
        }
        told = [f"{what}: {', '.join(sorted(names))}" for what, names in lists.items() if names]
        overflow = "saturates" if self.saturates else "becomes infinite"
        return "; ".join((self.mode, *told, f"overflow {overflow}"))

    def rounding(self, node: onnx.NodeProto, before: bool) -> Rounding:
        """Return how a node computes; `before` says whether what makes its first input computes in half precision."""
        does, types = _MODES[self.mode], atc_types(node)
        is_product = is_standard(node) and node.op_type in PRODUCTS
        if does == _NONE or node.name in self.names or types & self.kept:
            return FLOAT
        if does == _FORCED:
            return HALF
        if does == _MIXED:
            if types & self.black:
                return FLOAT
            listed = bool(types & self.white) or (is_product and not types & self.removed)
            return HALF if listed or before else FLOAT
        if not is_product:
            return FLOAT
        return HALF if does == _PRODUCTS_ALONE else INTO


def atc_types(node: onnx.NodeProto) -> frozenset[str]:
    """Return ATC's names of a node's operator type, as `plain_type` has them."""
    names = {ATC_TYPES.get(node.op_type, node.op_type)}
    if node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute):
        names.add("DepthwiseConv2D")
    return frozenset(map(plain_type, names))


def saturates(soc_version: str) -> bool:
    """Tell whether a chip only saturates where half precision overflows."""
    return _SATURATING.fullmatch(soc_version) is not None


def modes(options: Mapping[str, str], soc_version: str) -> Modes:
    """Return what ATC's options, whose files are named by their paths, make of a network on a chip."""
    lists = read_lists(Path(options["modify_mixlist"])) if "modify_mixlist" in options else Lists()
    kept, names = (
        _kept(Path(options["keep_dtype"])) if "keep_dtype" in options else (frozenset(), frozenset())
    )
    return Modes(
        mode=options.get("precision_mode_v2") or options.get("precision_mode") or DEFAULT_MODE,
        saturates=saturates(soc_version),
        black=frozenset(map(plain_type, lists.black_list.to_add)),
        white=frozenset(map(plain_type, lists.white_list.to_add)),
        removed=frozenset(map(plain_type, lists.white_list.to_remove)),
        kept=kept,
        names=names,
    )


def _kept(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the operator types and the names of nodes in a file for --keep_dtype, one in each line."""
    lines = [line.strip() for line in read_text(path).splitlines()]
    types = frozenset(
        plain_type(line.removeprefix(_OPERATOR)) for line in lines if line.startswith(_OPERATOR)
    )
    names = frozenset(line for line in lines if line and not line.startswith(_OPERATOR))
    if not (types or names):
        raise GuideError(
            f"{path}: names no operator; expected one in each line, by its name or as {_OPERATOR}Relu."
        )
    return types, names
