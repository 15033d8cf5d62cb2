"""What a sample run has to come to, recorded beforehand, in a model's `known.json`: faults that both sides share show here.

Comparing an export with torch says nothing of what comes before and after the network, of AIPP and of the metric, which
both sides go through, nor of a network that is wrong in both. Four things are recorded:

- "inputs": what `TASK.prepare` makes of the first two sample pictures, as fingerprints;
- "outputs": what torch's network with seeded weights, AIPP included, makes of the first of them, as fingerprints;
- "results": what `TASK.finish` makes of made-up outputs;
- "figures": what the metric says of made-up predictions, and that of the truth given as predictions.

The developer's command `testing.known` records them, see the README.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from common.engine.task import ContextT, Outputs, SourceT, Task
from common.errors import GuideError
from common.facts import Facts
from common.files import read_bytes
from common.report.versions import versions

Array = NDArray[Any]
Same = TypeVar("Same")
PICTURES = 2
# A fingerprint: an array's values in order, cut into six parts, and of each part every third value: the channels of a
# picture whose channels lie last, and a sixth of one whose channels come first.
PARTS, EVERY = 6, 3
STATISTICS = ("mean", "standard deviation", "projection")
# How far each of them may be off, of the array's standard deviation. Another JPEG library moves single values by one in
# 255, and a projection adds them up; another processor moves outputs less than a hundredth.
INPUTS, OUTPUTS = np.array([0.002, 0.002, 0.06]), np.array([0.01, 0.01, 0.1])
NUMBERS = 1e-4  # of results and figures
DIGITS = 6
LOOK = {
    "inputs": "preprocessing.py, task.py or sample.py",
    "outputs": "network.py, or the AIPP file",
    "results": "postprocessing.py or task.py",
    "figures": "metric.py",
}
MADE_WITH = ("numpy", "opencv-python-headless", "pillow", "torch", "torchvision", "timm")


class _Recorded(msgspec.Struct, rename={"made_with": "made with"}):
    """What known.json holds; inputs by picture and input, each with its standard deviation first."""

    made_with: dict[str, str]
    inputs: dict[str, list[float]]
    outputs: dict[str, list[float]]
    results: dict[str, Any]
    figures: dict[str, float]


def _as_they_are(outputs: Outputs) -> Outputs:
    return outputs


@dataclass(frozen=True)
class Known:
    """The known answers of a model.

    Attributes:
        path: its known.json.
        results: returns what `TASK.finish` makes of made-up outputs, arrays by name.
        figures: returns what the metric says of made-up predictions, and of the truth itself.
        outputs: what is recorded of one item's outputs, in their order, where that is not these themselves.
    """

    path: Path
    results: Callable[[], Mapping[str, Array]]
    figures: Callable[[], Mapping[str, float]]
    outputs: Callable[[Outputs], Outputs] = _as_they_are

    def problems(
        self,
        task: Task[SourceT, ContextT, Any],
        facts: Facts,
        sources: Mapping[str, SourceT],
        first: Outputs | None,
    ) -> tuple[str, ...]:
        """Return what is not as recorded: which of the four, what of it, expected, found, and where to look.

        Args:
            task: the model's.
            facts: the model's.
            sources: the sample pictures, or some of them.
            first: torch's outputs for the first of them; None where the weights are not seeded.
        """
        try:
            recorded = msgspec.json.decode(read_bytes(self.path), type=_Recorded)
        except FileNotFoundError:
            raise GuideError(f"{self.path}: no such file; it belongs to the model. {_AGAIN}") from None
        except (ValueError, RecursionError) as error:
            raise GuideError(f"{self.path}: not known answers ({error}). {_AGAIN}") from None
        package = self.path.parent.name
        others = ", ".join(f"{k} {v}" for k, v in recorded.made_with.items() if versions().get(k, v) != v)
        return tuple(
            f"{what}. Look at {package}/{LOOK[kind]}{f' (recorded with {others})' if others else ''}."
            for kind, what in self._differences(recorded, task, facts, sources, first)
        )

    def _differences(
        self,
        recorded: _Recorded,
        task: Task[SourceT, ContextT, Any],
        facts: Facts,
        sources: Mapping[str, SourceT],
        first: Outputs | None,
    ) -> Iterator[tuple[str, str]]:
        """Yield what is not as recorded, the first of each of the four."""
        pictures = {name.partition(",")[0] for name in recorded.inputs}
        # The first has to be one of them; with --limit, what follows it may be another picture.
        looked_at = {key: sources[key] for k, key in enumerate(_keys(sources)) if k == 0 or key in pictures}
        pairs: list[tuple[str, Iterator[str]]] = [
            ("inputs", _other_prints("input", recorded.inputs, _inputs(task, looked_at), INPUTS)),
            ("results", _other_numbers("result of made-up outputs", recorded.results, self.results())),
            ("figures", _other_numbers("figure of made-up predictions", recorded.figures, self.figures())),
        ]
        if first is not None and _keys(sources)[:1] == [next(iter(recorded.inputs)).partition(",")[0]]:
            found = _by_name(facts, self.outputs(first))
            pairs.insert(1, ("outputs", _other_prints("output of torch,", recorded.outputs, found, OUTPUTS)))
        for kind, differences in pairs:
            for what in itertools.islice(differences, 1):
                yield kind, f"known {kind}: {what}"

    def record(
        self,
        task: Task[SourceT, ContextT, Any],
        facts: Facts,
        sources: Mapping[str, SourceT],
        first: Outputs,
    ) -> dict[str, Any]:
        """Return what known.json is to hold, see `problems`."""
        results = {name: rounded(array) for name, array in self.results().items()}
        inputs = {name: rounded(fingerprint(array)) for name, array in _inputs(task, sources).items()}
        outputs = _by_name(facts, self.outputs(first))
        return {
            "made with": {name: version for name, version in versions().items() if name in MADE_WITH},
            "inputs": inputs,
            "outputs": {name: rounded(fingerprint(array)) for name, array in outputs.items()},
            "results": results,
            "figures": {name: rounded(np.array(value)) for name, value in self.figures().items()},
        }


_AGAIN = "Restore it from the repository: git checkout -- known.json in its directory."


def fingerprint(array: Array) -> Array:
    """Return numbers that tell an array from others: its standard deviation, then three for each of eighteen parts.

    They are mean, standard deviation, and the projection on fixed random signs, over the root of their number: that
    one notices values that are moved to other places. Float64, 1 + 18 * 3.
    """
    flat = array.reshape(-1).astype(np.float64)
    numbers = [flat.std()]
    for chunk in np.array_split(flat, PARTS):
        for k in range(EVERY):
            part = chunk[k::EVERY]
            signs = np.where(np.random.default_rng(0).random(len(part)) < 0.5, -1.0, 1.0)
            numbers += [part.mean(), part.std(), (part - part.mean()) @ signs / math.sqrt(len(part))]
    return np.array(numbers)


def rounded(array: Array) -> Any:
    """Return an array as nested lists of numbers with DIGITS significant digits."""
    return msgspec.json.decode(msgspec.json.encode(_round(array.tolist())))


def _round(value: Any) -> Any:
    return [_round(each) for each in value] if isinstance(value, list) else float(f"{value:.{DIGITS}g}")


def _keys(sources: Mapping[str, Any]) -> list[str]:
    return list(itertools.islice(sources, PICTURES))


def _inputs(task: Task[SourceT, ContextT, Any], sources: Mapping[str, SourceT]) -> dict[str, Array]:
    """Return the inputs for the first sources, by picture and input; those of a few values tell nothing of a picture."""
    return {
        f"{key}, {name}": array
        for key in _keys(sources)
        for name, array in task.prepare(sources[key])[0].items()
        if array.size > PARTS * EVERY
    }


def _by_name(facts: Facts, outputs: Outputs) -> dict[str, Array]:
    return {tensor.name: array for tensor, array in zip(facts.outputs, outputs, strict=True)}


def _other_prints(
    what: str, recorded: Mapping[str, list[float]], found: Mapping[str, Array], tolerance: Array
) -> Iterator[str]:
    """Say of each array whose fingerprint is another one where it differs most; those that are not looked at may lack."""
    for name, array in found.items():
        if name not in recorded:
            yield f"{what} {name!r} is not among the recorded {', '.join(recorded)}"
            continue
        spread, *wanted = recorded[name]
        accepted = spread * np.resize(tolerance, len(wanted))
        numbers = fingerprint(array)[1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            beyond = np.nan_to_num(np.abs(numbers - wanted) / accepted, nan=math.inf)
        worst = int(beyond.argmax())
        if beyond[worst] > 1:
            part, statistic = divmod(worst, len(STATISTICS))
            yield (
                f"{what} {name!r} has another {STATISTICS[statistic]} in part {part + 1} of {PARTS * EVERY}: expected "
                f"{wanted[worst]:.6g}, found {numbers[worst]:.6g}, accepted is a difference of {accepted[worst]:.2g}"
            )


def _other_numbers(what: str, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Say of each array of numbers which is another one."""
    if list(recorded) != list(found):
        yield f"{what}: expected {', '.join(recorded)}, found {', '.join(found)}"
        return
    for name, value in found.items():
        numbers, wanted = np.array(value, np.float64), np.array(recorded[name], np.float64)
        if numbers.shape != wanted.shape:
            yield f"{what}, {name!r}: expected the shape {wanted.shape}, found {numbers.shape}"
            continue
        accepted = NUMBERS * np.abs(wanted).max(axis=0, initial=0)
        beyond = ~(np.abs(numbers - wanted) <= np.maximum(accepted, 10.0**-DIGITS))
        if beyond.any():
            place = tuple(map(int, np.argwhere(beyond)[0]))
            where = f" in row {place[0] + 1}, column {place[1] + 1}" if len(place) == 2 else ""
            yield f"{what}, {name!r}{where}: expected {wanted[place]:.6g}, found {numbers[place]:.6g}"
