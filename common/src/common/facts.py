"""`model.toml`: the facts about one model, strictly validated."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path
from typing import Annotated

import msgspec

from common.errors import GuideError
from common.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Count = Annotated[int, msgspec.Meta(ge=1)]
Amount = Annotated[float, msgspec.Meta(ge=1e-9, le=1e12)]  # finite, and so are ratios of two
ByBatch = dict[Count, Amount]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: no unknown key, no missing key, no conversion, no change afterwards."""


class Checkpoint(Section, frozen=True, forbid_unknown_fields=True):
    """The published weights: file name, licence, where they are, and what of size and hashes is published.

    Without a hash they are not downloaded, since nothing could be verified; `urls` then tell people where to go.
    `guides` is the guide's own file, where that is another one: it is taken where it lies, and not downloaded.
    """

    file: str
    licence: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    guides: Checkpoint | None = None

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


class Upstream(Section, frozen=True, forbid_unknown_fields=True):
    """Figures by the metric's name, and who publishes them."""

    figures: dict[str, float]
    by: str


class Accuracy(Section, frozen=True, forbid_unknown_fields=True):
    """Figures by the metric's name: published, and measured on the NPU; the relative drop that is accepted.

    The data set is told from others by its `images`, by `counts` of what else is in it, and by a regular expression
    that the `names` of its pictures match. `upstream` are figures that the network's authors publish and the guide does
    not quote: they are shown, never judged by.
    """

    dataset: str
    images: int
    published: dict[str, float]
    published_by: str
    npu: dict[str, float]
    accepted_drop: float
    counts: dict[str, int] = {}
    names: str | None = None
    upstream: Upstream | None = None


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


class Run(Section, frozen=True, forbid_unknown_fields=True):
    """A run over a whole data set: how many pictures it took, and seconds."""

    pictures: Count
    seconds: Amount


class Ratio(Section, frozen=True, forbid_unknown_fields=True):
    """A comparison of two columns: how many times as fast `of` is as `to`.

    `printed` is what the guide's table has by batch size, `best` its ratio of the best rates, `accepted` what it asks for.
    """

    of: str
    to: str
    printed: ByBatch = {}
    best: Amount | None = None
    accepted: Amount | None = None

    def __post_init__(self) -> None:
        """Refuse a column divided by itself."""
        if self.of == self.to:
            raise ValueError(f"expected two columns, found {self.of!r} twice")


class Throughput(Section, frozen=True, forbid_unknown_fields=True):
    """What the guide prints of speed, by device and batch size.

    `cards` is its table in images per second and card; `chips` are images per second of one chip, `batch_ms`
    milliseconds of a batch, `runs` whole runs, which the guide computes figures of the table from.
    """

    cards: dict[str, ByBatch]
    chips: dict[str, ByBatch] = {}
    batch_ms: dict[str, ByBatch] = {}
    runs: dict[str, Run] = {}
    ratios: tuple[Ratio, ...] = ()

    def __post_init__(self) -> None:
        """Refuse figures of a device that the table does not have, and columns without a figure."""
        empty = [device for device, rates in self.cards.items() if not rates]
        compared = (name for ratio in self.ratios for name in (ratio.of, ratio.to))
        strange = {*self.chips, *self.batch_ms, *self.runs, *compared} - {*self.cards}
        if empty or not self.cards:
            raise ValueError(f"expected figures, found none for {empty or 'any device'}")
        if strange:
            raise ValueError(f"expected a device of {[*self.cards]}, found {sorted(strange)}")
        for device, figures in (*self.chips.items(), *self.batch_ms.items()):
            if others := figures.keys() - self.cards[device].keys():
                raise ValueError(f"expected batch sizes of the table, found {min(others)} of {device!r}")


class Facts(Section, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    name: str
    title: str
    onnx: str
    opset: int
    checkpoint: Checkpoint
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    accuracy: Accuracy
    atc: Atc
    throughput: Throughput


def read_facts(folder: Path) -> Facts:
    """Read and validate `model.toml` in `folder`; every mistake in it is named with its key."""
    path = folder / "model.toml"
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file. Run this command inside a model directory.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
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
