"""What is measured and what becomes known of it: shared by those who measure, judge and show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process of somebody else, and the CPU seconds that it took during a measurement."""

    pid: int
    name: str
    seconds: float

    def __str__(self) -> str:
        """Return how it is called in messages."""
        return f"{self.name} (process {self.pid})"


@dataclass(frozen=True)
class Load:
    """What used the machine while something was measured: CPU seconds, over the CPUs that this process may use.

    `own` is this process with its children, `others` all else but the kernel's threads, `inside` what of that is in the same container, where one
    limits the CPU. What this machine does not tell is None.
    """

    seconds: float  # by the clock
    cores: float  # physical ones among the CPUs
    own: float
    others: float | None = None
    busiest: Process | None = None  # of the others, where it can be seen
    steal: float | None = None  # what the hypervisor gave to other virtual machines
    limit: float | None = None  # the container's, in cores
    inside: float | None = None
    periods: int = 0  # over each of which the limit holds
    held_back: int = 0  # those of them in which processes were stopped
    clock_mhz: float | None = None  # the fastest CPU's, at the end
    hot: float | None = None  # seconds for which a CPU was slowed down for its heat
    device: tuple[str, ...] = ()  # what else used the NPU or the GPU before and after, in words


@dataclass(frozen=True)
class Candidate:
    """A network on a backend: the file for each batch size, or for None where it takes any.

    `device` is a name as model.toml's columns have it where it has them ("310P", "T4"), else "CPU" or the chip's own.
    Figures of a `rehearsal` are no device's. `devices` is how many devices share the work, a chip each on an NPU.
    """

    backend: str
    device: str
    precision: str
    models: Mapping[int | None, Path]
    rehearsal: bool = False
    devices: int = 1
    notes: tuple[str, ...] = ()  # what a reader of the row has to know


@dataclass(frozen=True)
class Pure:
    """Calls of the network alone in one round: milliseconds of each, in order, each of a whole batch.

    `seconds` is the time of all calls, `images` what went through in it, of all devices. Where `at_once` calls share the
    CPU's cores, these two are of such calls, and `calls_ms` are of others, one after another on all cores. `distinct` counts the different
    batches that were fed in turn, 1 for a tool that takes one for all calls. A tool that tells no single calls leaves
    `calls_ms` empty; `count` is how many there were then, `printed` what it says of them: milliseconds by "min", "max",
    "mean", "median", "p99".
    """

    calls_ms: tuple[float, ...]
    images: int
    seconds: float
    load: Load
    distinct: int | None = None
    printed: Mapping[str, float] = field(default_factory=dict)
    count: int | None = None
    at_once: int = 1


@dataclass(frozen=True)
class EndToEnd:
    """Pictures from their files to results in one round, with the busy seconds of each stage, summed over its threads.

    `stages` are preprocess, stack, infer and postprocess; `threads` is how many share each of them.
    """

    images: int
    seconds: float
    stages: Mapping[str, float]
    threads: Mapping[str, int]
    load: Load


@dataclass(frozen=True)
class Measured:
    """What one round found of one backend at one batch size."""

    candidate: Candidate
    batch_size: int
    pure: Pure
    end_to_end: EndToEnd | None = None
    round: int = 0


@dataclass(frozen=True)
class LeftOut:
    """What is not in the table, and why; a backend as a whole where `batch_size` is None."""

    backend: str
    batch_size: int | None
    reason: str


@dataclass(frozen=True)
class Outputs:
    """How the outputs of a backend compare with those of ONNX Runtime on the CPU, of the same items in the same run.

    `ok` is None where they were not compared. `differences` are numbers by output, as a record keeps them.
    """

    backend: str
    device: str
    precision: str
    batch_size: int | None
    ok: bool | None
    words: str
    differences: Mapping[str, float] = field(default_factory=dict)
