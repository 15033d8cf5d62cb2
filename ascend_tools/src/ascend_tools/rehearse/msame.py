"""The stand-in for msame: one execution for each file, or `--loop` executions of one input, nothing put together.

As the real one: arguments that are wrong end with exit status 0, one .bin file gives results that are named after the
model, those of a directory are named after its files.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.rehearse import faults, runtime
from ascend_tools.rehearse.result_files import Results, halve, words
from ascend_tools.rehearse.runtime import AclError, Loaded
from ascend_tools.rehearse.slowness import printed
from ascend_tools.rehearse.stand_in import no_library, program, say
from common import rehearsal

Array = NDArray[Any]
_FAILED = 1
_OPTIONS = (
    "model",
    "input",
    "output",
    "outfmt",
    "loop",
    "dump",
    "profiler",
    "device",
    "debug",
    "dymDims",
    "dymBatch",
)
_LOOPS, _DEVICES = range(1, 101), range(256)
_HELP = """
Usage:
  msame --model X.om [--input A.bin[,B.bin] | DIR[,DIR]] --output DIR [--outfmt TXT|BIN] [--loop 1 to 100]
        [--device 0 to 255] [--debug true|false] [--profiler true|false] [--dump true|false] [--dymDims SIDES]
"""


@program
def main(argv: Sequence[str]) -> int:
    """Run an OM on the files of directories, on one set of files, or on zeros."""
    if faults.is_asked("no-driver"):
        return no_library("msame")
    say(rehearsal.NOTE)
    try:
        options = _parse(argv)
    except ValueError as error:
        say(*(f"[ERROR] {line}" for line in error.args), _HELP)
        return 0
    if options is None:
        say(_HELP)
        return 0
    if runtime.PROCESS.begin() == 0:
        say("[INFO] acl init success")
    device = int(options.get("device", "0"))
    try:
        runtime.open_device(device)
        lines = [f"open device {device} success", "create context success", "create stream success"]
        say(*(f"[INFO] {line}" for line in (*lines, "get run mode success")))
        _process(options, device)
    except AclError as failure:
        say(*failure.lines, "[ERROR] Sample process failed.")
        status = _FAILED
    else:
        say("[INFO] Execute sample success.", "Test Finish!", "******************************")
        status = 0
    lines = ["destroy stream", "destroy context", f"reset device is {device}", "finalize acl"]
    say(*(f"[INFO] end to {line}" for line in lines))
    return status


def _parse(argv: Sequence[str]) -> dict[str, str] | None:
    """Return the options by name; none for --help; what the real one does not take is a ValueError."""
    options: dict[str, str] = {}
    given = list(argv)
    while given:
        name, equals, value = given.pop(0).partition("=")
        name = name.removeprefix("--") if name.startswith("--") else ""
        if name == "help":
            return None
        if name not in _OPTIONS or not (equals or given):
            raise ValueError("unknown paramenter", "Execute sample failed.")
        options[name] = value if equals else given.pop(0)
    if not options:
        raise ValueError("Invalid params.", "Execute sample failed.")
    if ".om" not in options.get("model", ".om"):
        raise ValueError("input model file type is not .om , please check your model type!")
    for name, allowed in (("loop", _LOOPS), ("device", _DEVICES)):
        if name in options and (not options[name].isdecimal() or int(options[name]) not in allowed):
            raise ValueError(
                f"{'device id' if name == 'device' else name} must in {allowed[0]} to {allowed[-1]}"
            )
    return options


def _process(options: Mapping[str, str], device: int) -> None:
    path = options.get("model", "")
    loaded = Loaded(Path(path), device)
    say(f"[INFO] load model {path} success", "[INFO] create model description success")
    if loaded.gears or "dymDims" in options:
        raise _failed("model has dynamic_dims, please add dymDims parameter")
    say("[INFO] create model output success")
    out = Path(options.get("output", "")) / time.strftime("%Y%m%d_%H%M%S")
    say(str(out))
    try:
        out.mkdir(parents=len(out.parts) > 1 and out.parent.parent.is_dir(), exist_ok=True)
    except OSError:
        raise _failed("current user does not have permission") from None
    given = [name.strip() for name in options.get("input", "").split(",") if name.strip()]
    text = options.get("outfmt") == "TXT"
    if given and ".bin" not in given[0]:
        _directories(loaded, given, Results(out, _count(given[0]), silent=True), text=text)
    else:
        loops = int(options.get("loop", "1"))
        _once(loaded, given, loops, Results(out, 1, silent=True), text=text)
    say(f"[INFO] unload model success, model Id is {loaded.model_id}")
    loaded.close()


def _failed(line: str) -> AclError:
    return AclError(_FAILED, f"[ERROR] {line}")


def _count(folder: str) -> int:
    return len(_names(folder))


def _names(folder: str) -> list[str]:
    """Return the files of a directory in the order of their bytes, all of them but hidden ones."""
    if not Path(folder).is_dir():
        raise _failed(f"can not open {folder}")
    names = sorted(path.name for path in Path(folder).iterdir() if not path.name.startswith("."))
    if not names:
        raise _failed(f"No file in the directory[{folder}]")
    return names


def _directories(loaded: Loaded, folders: Sequence[str], results: Results, *, text: bool) -> None:
    """Run the files of the first directory one by one, with those of the same names in the others."""
    names, times = _names(folders[0]), []
    halve(loaded, len(names))
    for name in names:
        arrays = []
        for folder in folders:
            say(f"[INFO] start to process file:{folder}/{name}")
            arrays.append(_read(Path(folder) / name))
        outputs, took = loaded.run(arrays)
        times.append(took)
        say(f"Inference time: {took:g}ms")
        _save(results, name.rpartition(".")[0] or name, outputs, text=text)
    say(f"Inference average time : {printed(float(np.mean(times))):.2f} ms")
    if len(times) > 1:
        say(f"Inference average time without first time: {np.mean(times[1:]):.2f} ms")


def _once(loaded: Loaded, given: Sequence[str], loops: int, results: Results, *, text: bool) -> None:
    """Run one set of files, one for each input, or zeros, as often as asked."""
    for name in given:
        say(f"[INFO] start to process file:{name}")
    arrays = [_read(Path(name)) for name in given] or [
        np.zeros(value.size_bytes, np.uint8) for value in loaded.inputs
    ]
    halve(loaded, loops)
    times: list[float] = []
    outputs: list[Array] = []
    for _ in range(loops):
        outputs, took = loaded.run(arrays)
        times.append(took)
        say(f"Inference time: {took:g}ms")
    _save(results, loaded.path.name.rpartition(".")[0], outputs, text=text)
    say(f"Inference average time: {printed(float(np.mean(times))):f} ms")
    if loops > 1:
        say(f"Inference average time without first time: {np.mean(times[1:]):f} ms")


def _read(path: Path) -> Array:
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        raise _failed(f"open file {path} failed") from None
    if not content.size:
        raise _failed(f"binfile is empty, filename is {path}")
    return content


def _save(results: Results, stem: str, outputs: Sequence[Array], *, text: bool) -> None:
    suffix = "txt" if text else "bin"
    names = [f"{stem}_output_{i}.{suffix}" for i in range(len(outputs))]
    results.write(names, [_text(output) if text else output.tobytes() for output in outputs])
    say("[INFO] output data success")


def _text(array: Array) -> bytes:
    """Return numbers with a blank after each: a line after 100 of them, an empty one after each item of the batch."""
    numbers = words(array)
    item = max(1, array.size // (array.shape[0] if array.ndim else 1))
    pieces = []
    for i, number in enumerate(numbers, 1):
        end = "" if i == len(numbers) else "\n\n" if i > 1 and i % item == 0 else "\n" if i % 100 == 0 else ""
        pieces.append(f"{number} {end}")
    return "".join(pieces).encode()


if __name__ == "__main__":
    raise SystemExit(main())
