"""`model.toml`: the facts about one model, strictly validated."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import GuideError
from common.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# TOML has arrays and string keys only; everything else is taken as written, without conversion.
Strings = Annotated[tuple[str, ...], Field(strict=False)]
Shape = Annotated[tuple[int | str, ...], Field(strict=False)]
Figures = dict[Annotated[int, Field(strict=False)], float]


class Section(BaseModel):
    """A table of the file: no unknown key, no missing key, no conversion, no change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Checkpoint(Section):
    """The published weights: file name, size in bytes, SHA-256, and where they can be downloaded."""

    file: str
    bytes: int
    sha256: str
    licence: str
    urls: Strings


class Tensor(Section):
    """One input or output: name in the ONNX file, shape with "N" for the batch, what it holds.

    `tolerance` is the largest absolute difference from torch that an output may show.
    """

    name: str
    shape: Shape
    dtype: str
    holds: str
    tolerance: float | None = None

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape for one image, without the batch."""
        return tuple(dim for dim in self.shape[1:] if isinstance(dim, int))


class Accuracy(Section):
    """Figures by the metric's name: published, and measured on the NPU; the relative drop that is accepted."""

    dataset: str
    images: int
    published: dict[str, float]
    published_by: str
    npu: dict[str, float]
    accepted_drop: float


class Atc(Section):
    """What the guide's ATC command says beyond the model's shape; `options` keep their order.

    `output` may contain `{batch_size}`; `name_out_nodes` asks for `--out_nodes`.
    """

    output: str
    input_format: str
    log: str
    name_out_nodes: bool = False
    options: dict[str, int | str] = {}


class ModelToml(Section):
    """The whole file. `throughput` is images/s by device and batch size, as the guide documents them."""

    name: str
    title: str
    onnx: str
    opset: int
    checkpoint: Checkpoint
    inputs: Annotated[tuple[Tensor, ...], Field(strict=False)]
    outputs: Annotated[tuple[Tensor, ...], Field(strict=False)]
    accuracy: Accuracy
    atc: Atc
    throughput: dict[str, Figures]


def read_model(folder: Path) -> ModelToml:
    """Read and validate `model.toml` in `folder`; every mistake in it is named with its key."""
    path = folder / "model.toml"
    try:
        table = tomllib.loads(read_text(path))
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file. Run this command inside a model directory.") from None
    except tomllib.TOMLDecodeError as error:
        raise GuideError(f"{path}: not valid TOML: {error}") from None
    try:
        return ModelToml.model_validate(table)
    except ValidationError as error:
        lines = "\n".join(f"  {_explain(e)}" for e in error.errors())
        raise GuideError(f"{path}: does not describe a model:\n{lines}") from None


def _explain(error: Any) -> str:
    """Put one of pydantic's errors into words: section, key, expected, found, the nearest known key."""
    *section, key = (str(part) for part in error["loc"])
    where = f"[{'.'.join(section)}] {key}" if section else key
    if error["type"] == "extra_forbidden":
        known = {name for table in Section.__subclasses__() for name in table.model_fields}
        near = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
        return f"{where}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if error["type"] == "missing":
        return f"{where}: missing"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, found {error['input']!r}"
