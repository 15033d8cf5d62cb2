"""`model.toml`: the facts about one model, strictly validated."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import msgspec

from common.errors import GuideError
from common.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Figures = dict[int, float]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: no unknown key, no missing key, no conversion, no change afterwards."""


class Checkpoint(Section, frozen=True, forbid_unknown_fields=True):
    """The published weights: file name, licence, where they are, and what of size and hashes is published.

    Without a hash they are not downloaded, since nothing could be verified; `urls` then tell people where to go.
    """

    file: str
    licence: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def identity(self) -> str:
        """What is published about the file's content, in words."""
        facts = {"bytes": self.bytes, "sha256": self.sha256, "md5": self.md5}
        return ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)


class Tensor(Section, frozen=True, forbid_unknown_fields=True):
    """One input or output: name in the ONNX file, shape with "N" for the batch, what it holds.

    `tolerance` is the largest absolute difference from torch that an output may show; `range` is that of an input's
    values.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    holds: str
    tolerance: float | None = None
    range: tuple[float, float] | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape for one image, without the batch."""
        return tuple(dim for dim in self.shape[1:] if isinstance(dim, int))


class Accuracy(Section, frozen=True, forbid_unknown_fields=True):
    """Figures by the metric's name: published, and measured on the NPU; the relative drop that is accepted.

    The data set is told from others by its `images`, by `counts` of what else is in it, and by a regular expression
    that the `names` of its pictures match.
    """

    dataset: str
    images: int
    published: dict[str, float]
    published_by: str
    npu: dict[str, float]
    accepted_drop: float
    counts: dict[str, int] = {}
    names: str | None = None


class Atc(Section, frozen=True, forbid_unknown_fields=True):
    """What the guide's ATC command says beyond the model's shape; `options` keep their order.

    `output` may contain `{batch_size}`; `name_out_nodes` asks for `--out_nodes`; `onnx` is the file for ATC where that
    is not the one that runs elsewhere.
    """

    output: str
    input_format: str
    log: str
    onnx: str | None = None
    name_out_nodes: bool = False
    options: dict[str, int | str] = {}


class Facts(Section, frozen=True, forbid_unknown_fields=True):
    """The whole file. `throughput` is images/s by device and batch size, as the guide documents them."""

    name: str
    title: str
    onnx: str
    opset: int
    checkpoint: Checkpoint
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    accuracy: Accuracy
    atc: Atc
    throughput: dict[str, Figures]


def read_facts(folder: Path) -> Facts:
    """Read and validate `model.toml` in `folder`; every mistake in it is named with its key."""
    path = folder / "model.toml"
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file. Run this command inside a model directory.") from None
    except tomllib.TOMLDecodeError as error:
        raise GuideError(f"{path}: not valid TOML: {error}") from None
    try:
        return msgspec.convert(table, Facts, str_keys=True)
    except msgspec.ValidationError as error:
        raise GuideError(f"{path}: {_explain(str(error))}") from None


def _explain(message: str) -> str:
    """Name the section and, for an unknown key, the nearest known one; `message` is msgspec's."""
    words, _, place = message.partition(" - at ")  # "... - at `$.section`", "... - at `key` in `$.section`"
    where = place.rpartition("$")[2].strip(".`")
    section = f"[{where}] " if where else ""
    unknown = re.search(r"unknown field `(.*)`", words)
    if unknown:
        known = {name for table in Section.__subclasses__() for name in table.__struct_fields__}
        near = difflib.get_close_matches(unknown[1], sorted(known), n=1, cutoff=0.5)
        return f"{section}unknown key {unknown[1]!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    words = words.replace("Object missing required field", "missing key").replace("`", "'")
    return f"{section}{words[0].lower()}{words[1:]}"
