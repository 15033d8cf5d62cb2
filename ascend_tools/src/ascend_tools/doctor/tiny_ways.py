"""The tiny network through each way, one function each. They run in a child, whose working directory is the network's.

Each returns what to say of the way and, by numpy's reference, the largest difference of its results, None where the way
gives none out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.doctor import tiny_network as network
from common import process
from common.backends.base import Backend, run_batch
from common.errors import GuideError
from common.facts import read_facts

Outputs = Sequence[NDArray[Any]]
_COUNT = 3
_TOOLS = (
    "benchmark.x86_64",
    "benchmark.aarch64",
    "benchmark",
    "benchmark_tools",
    "msame",
    "ais_infer.py",
    "frontend",
)


@dataclass(frozen=True)
class Came:
    """What came out of a way: in words, and the largest difference beside the largest number that was expected.

    `precision` is that in which it computes.
    """

    words: str
    difference: float | None = None
    largest: float | None = None
    precision: str = "float32"


def main(way: str, folder: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Run one way in a directory of its own and return what came out as JSON holds it; an error is `problem`."""
    Path(folder).mkdir(exist_ok=True)
    os.chdir(folder)
    # What CANN writes beside its results would be left behind in the user's home.
    os.environ["ASCEND_PROCESS_LOG_PATH"] = os.environ["ASCEND_CACHE_PATH"] = str(Path(folder) / "ascend")
    if not Path(network.ONNX).exists():
        network.write(Path())
    try:
        return WAYS[way](**given).__dict__
    except GuideError as error:
        return {"problem": str(error)}


def onnxruntime(provider: str) -> Came:
    """Run the ONNX file by ONNX Runtime with one of its providers."""
    from common.backends.providers import precision

    return _by_onnxruntime(Path(network.ONNX), provider, precision(provider))


def _by_onnxruntime(path: Path, provider: str, precision: str = "float32") -> Came:
    from common.backends.onnxruntime import OnnxRuntime

    with OnnxRuntime(path, provider=provider) as opened:
        return _compared(opened.name, _through(opened), precision=precision)


def openvino(precision: str) -> Came:
    """Run the ONNX file by OpenVINO in a precision, which `open_model` refuses where it is not really used."""
    from common.backends.deployed import Runtime, open_model

    runtime = Runtime("openvino", precision=precision)
    with open_model(Path(network.ONNX), runtime, batch_size=_COUNT) as opened:
        return _compared(opened.name, _through(opened), precision=opened.precision)


def atc(soc: str | None) -> Came:
    """Convert the ONNX file, to tiny_bs1.om; without an NPU here, for a chip of the guides'."""
    from common.npu_tools import convert

    facts = read_facts(Path())
    made = convert.convert(facts, Path(), Path(network.ONNX), 1, soc_version=soc)
    return Came(f"made an OM of {made.stat().st_size} bytes{f' for {soc}' if soc else ''}")


def om(path: str) -> Came:
    """Run the OM in this process's way, by ais_bench's InferSession or pyACL."""
    from common.backends.deployed import Runtime, open_model

    with open_model(Path(path), Runtime("om"), None, ([network.INPUT], network.OUTPUTS)) as opened:
        return _compared(opened.name, _through(opened, 1), precision="float16")


def tool(path: str, name: str, here: str) -> Came:
    """Run the OM over files by one of the vendor's tools, as `common.infer --tool` does; it may lie in `here`."""
    from common import infer
    from common.npu_tools import runner

    for each in _TOOLS:
        if (Path(here) / each).exists() and not Path(each).exists():
            Path(each).symlink_to(Path(here) / each)
    if not runner.TOOLS[name].find(Path()):
        return Came("")
    Path("prep").mkdir()
    for at, image in enumerate(network.images(_COUNT)):
        image.tofile(f"prep/image{at}.bin")
    said = io.StringIO()
    words = ["--model", path, "--tool", name, "--input", "prep", "--out", "result", "--batch-size", "1"]
    with contextlib.redirect_stderr(said):
        status = infer.main([*words, "--give-up", "120"])
    if status:
        raise GuideError(said.getvalue().strip().removeprefix("error: "))
    kept = [
        np.stack(
            [
                np.fromfile(f"result/dumpOutput_device0/image{at}_{number}.bin", np.float32)
                for at in range(_COUNT)
            ]
        )
        for number in range(1, len(network.OUTPUTS) + 1)
    ]
    return _compared(name, kept, precision="float16")


def trtexec() -> Came:
    """Run the ONNX file by trtexec, with its outputs where this one takes inputs and gives outputs out."""
    network.images(1).tofile("image.bin")
    shape = f"1x{network.CHANNELS}x{network.SIDE}x{network.SIDE}"
    words = ["trtexec", f"--onnx={network.ONNX}", f"--shapes={network.INPUT}:{shape}", "--noTF32"]
    words += ["--iterations=10", "--duration=0", "--warmUp=0"]
    files = [f"--loadInputs={network.INPUT}:image.bin", "--exportOutput=outputs.json"]
    for more in (files, []):
        code, printed = process.run([*words, *more], "Install TensorRT.", seconds=240, capture=True)
        if code == 0:
            break
    else:
        lines = [line for line in printed.splitlines() if "[E]" in line or "rror" in line]
        raise GuideError(
            f"ended with exit status {code}: {(lines or printed.splitlines() or ['no word'])[0]}"
        )
    if not more or not Path("outputs.json").is_file():
        return Came("trtexec runs it, its outputs not compared")
    told = {each["name"]: each["values"] for each in json.loads(Path("outputs.json").read_text("utf-8"))}
    return _compared("trtexec", [np.asarray([told[name]], np.float64) for name in network.OUTPUTS], 1)


def torch() -> Came:
    """Export the network from torch, which compares the file with torch, and run what was written."""
    import torch as library

    from common.export.onnx_file import export

    # mypy knows the class only where torch is installed.
    class Tiny(library.nn.Module):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.conv = library.nn.Conv2d(network.CHANNELS, network.MAPS, 3, padding=1)
            self.linear = library.nn.Linear(network.MAPS, network.SCORES)
            given = {name: library.from_numpy(values) for name, values in network.weights().items()}
            kept = zip(("kernel", "bias", "matrix", "shift"), self.parameters(), strict=True)
            for name, parameter in kept:
                parameter.data = given[name]

        def forward(self, image: Any) -> tuple[Any, Any]:
            maps = library.relu(self.conv(image))
            return maps, self.linear(maps.mean((2, 3)))

    export(Tiny().eval(), read_facts(Path()), Path("torch.onnx"), None)
    came = _by_onnxruntime(Path("torch.onnx"), "CPUExecutionProvider")
    return Came(f"torch {library.__version__} exports it", came.difference, came.largest)


def _through(opened: Backend, size: int = _COUNT) -> Outputs:
    """Return the outputs of all images, in batches of a size."""
    images = network.images(_COUNT)
    parts = [run_batch(opened, {network.INPUT: images[at : at + size]}) for at in range(0, len(images), size)]
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _compared(words: str, outputs: Outputs, count: int = _COUNT, *, precision: str = "float32") -> Came:
    """Return what came out beside numpy's reference; other sizes, and numbers that are not finite, are an error."""
    wanted = network.expected(network.images(count))
    difference = 0.0
    for name, output, reference in zip(network.OUTPUTS, outputs, wanted, strict=True):
        if output.size != reference.size or not np.isfinite(output).all():
            raise GuideError(
                f"{words}: expected {reference.size} finite numbers of {name!r}, found {output.size}, of which "
                f"{int(np.isfinite(output).sum())} are finite."
            )
        difference = max(difference, float(np.abs(output.reshape(reference.shape) - reference).max()))
    return Came(words, difference, max(float(np.abs(reference).max()) for reference in wanted), precision)


WAYS: Mapping[str, Callable[..., Came]] = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "atc": atc,
    "om": om,
    "tool": tool,
    "trtexec": trtexec,
    "torch": torch,
}
