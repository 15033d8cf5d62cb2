"""How a user has half precision emulated: for which chip, and with which of ATC's options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from common.errors import GuideError
from common.facts import Facts, read_facts
from common.graph.float16_modes import Modes, modes
from common.npu_tools.atc_options import problems
from common.report.emulated import EMULATED

OPTIONS = ("precision_mode", "precision_mode_v2", "modify_mixlist", "keep_dtype")
_FILES = ("modify_mixlist", "keep_dtype")
# The guides' chips: 310 and 310P, which are alike in this.
GUIDES = "Ascend310P3"
_NOT_EMULATED = ("op_precision_mode", "customize_dtypes", "op_select_implmode", "optypelist_for_implmode")


@dataclass(frozen=True)
class Emulation:
    """A user's choice: the chip, None for the guides' ones, and options of ATC that are taken before those of model.toml."""

    soc_version: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    @property
    def files(self) -> dict[str, Path]:
        """The files that options name, by the option."""
        return {name: Path(value) for name, value in self.options if name in _FILES and value}

    def with_files(self, folder: Path) -> Emulation:
        """Return the same choice where these files lie in another directory, each under the name of its option."""
        there = {name: str(folder / name) for name in self.files}
        return replace(self, options=tuple((name, there.get(name, value)) for name, value in self.options))


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add `--soc-version` and `--option`, see `chosen`."""
    arguments.add_argument(
        "--soc-version",
        type=soc_version,
        metavar="S",
        help=f"With --precision {EMULATED}: the chip, Ascend and the name that npu-smi shows. 310, 310P, 310B and the "
        "first 910 only saturate where numbers leave half precision's range; 910B and later make them infinite "
        f"(default: as the guides' chips, {GUIDES}).",
    )
    arguments.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"With --precision {EMULATED}: one of ATC's {', '.join(OPTIONS)}, taken before that of model.toml; an empty "
        "value leaves it out. May be given several times.",
    )


def soc_version(text: str) -> str:
    """Argument type: a chip, as ATC's --soc_version takes it."""
    if not re.fullmatch(r"Ascend[0-9][\w-]*", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"expected Ascend and the chip's name, as in {GUIDES}, got {text!r}")
    return text


def _option(text: str) -> tuple[str, str]:
    """Argument type: NAME=VALUE, as ATC writes it or without the hyphens."""
    name, equals, value = text.removeprefix("--").partition("=")
    name = name.replace("-", "_")
    if not equals or name not in OPTIONS:
        raise argparse.ArgumentTypeError(
            f"expected NAME=VALUE with one of {', '.join(OPTIONS)}, got {text!r}"
        )
    return name, value


def chosen(options: argparse.Namespace) -> Emulation:
    """Return what the arguments of `add_arguments` say, which are for an emulation alone."""
    found = Emulation(options.soc_version, tuple(dict(options.option).items()))
    if options.precision != EMULATED and found != Emulation():
        name = "--option" if found.options else "--soc-version"
        raise GuideError(f"{name} is for --precision {EMULATED}; leave it out.")
    return found


def check(emulation: Emulation, backend: str, precision: str | None) -> None:
    """Refuse what contradicts a backend: ONNX Runtime emulates, and an OM file is what it was made to be."""
    if backend == "om" and emulation != Emulation():
        raise GuideError(
            "--soc-version and --option are for an emulation; an .om file computes as it was made to, see python -m "
            "common.atc."
        )
    if backend in ("openvino", "auto") and precision == EMULATED:
        raise GuideError(f"--precision {EMULATED} takes --backend onnxruntime, which is the default.")


def modes_for(emulation: Emulation, facts: Facts | None, folder: Path) -> Modes:
    """Return how half precision is emulated of a model directory's network.

    Args:
        emulation: the user's choice.
        facts: the model's; None takes model.toml from the directory, where there is one.
        folder: the model directory.
    """
    if facts is None and (folder / "model.toml").is_file():
        facts = read_facts(folder)
    own: Mapping[str, object] = facts.atc.options if facts else {}
    left = [f"--{name}" for name in _NOT_EMULATED if name in own]
    if left:
        print(f"note: {', '.join(left)} of model.toml: not emulated.", file=sys.stderr, flush=True)
    given = {
        name: str(folder / str(own[name])) if name in _FILES else str(own[name])
        for name in OPTIONS
        if name in own
    }
    given |= dict(emulation.options)
    given = {name: value for name, value in given.items() if value}
    wrong = problems(given, "atc")
    wrong += [
        f"--{name}: no such file: {given[name]}"
        for name in _FILES
        if name in given and not Path(given[name]).is_file()
    ]
    if wrong:
        raise GuideError(
            f"--precision {EMULATED}: ATC would not take these options:\n  " + "\n  ".join(wrong)
        )
    return modes(given, emulation.soc_version or GUIDES)
