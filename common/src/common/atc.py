"""The guide's ATC command for the model directory one stands in: checked against the ONNX file, printed, run.

    python -m common.atc --batch-size 16 --soc-version Ascend310P3 --dry-run

Options and rules: CANN documentation, "ATC instructions" (atlasatc).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from common import cli, process
from common.errors import GuideError
from common.facts import Facts, Tensor, read_facts
from common.graph import atc_types
from common.graph.aipp import read_aipp
from common.graph.outline import Graph, describe, load
from common.npu_tools import smi

_REMEDY = (
    "Install CANN and run `source /usr/local/Ascend/ascend-toolkit/set_env.sh`; --dry-run needs neither."
)
_MIX_MODES = ("allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16")
# Option to the values ATC accepts, or None for free text.
_OPTIONS: dict[str, tuple[str, ...] | None] = {
    "enable_small_channel": ("0", "1"),
    "insert_op_conf": None,
    "precision_mode": (
        "force_fp16",
        "force_fp32",
        "cube_fp16in_fp32out",
        *_MIX_MODES,
        "allow_fp32_to_fp16",
        "allow_fp32_to_bf16",
        "must_keep_origin_dtype",
    ),
    "modify_mixlist": None,
    "op_select_implmode": (
        "high_precision",
        "high_performance",
        "high_precision_for_all",
        "high_performance_for_all",
    ),
    "optypelist_for_implmode": None,
    "output_type": None,
    "keep_dtype": None,
    "fusion_switch_file": None,
    "buffer_optimize": ("l2_optimize", "l1_optimize", "off_optimize"),
    "auto_tune_mode": None,
}
# Those that model.toml gives a key of their own.
_NAMED = {"input_format": ("NCHW", "ND", "NCDHW"), "log": ("debug", "info", "warning", "error", "null")}
_FILES = ("insert_op_conf", "modify_mixlist", "keep_dtype", "fusion_switch_file")


def atc_command(
    facts: Facts, onnx: Path, batch_size: int, soc_version: str, folder: Path = Path()
) -> list[str]:
    """Return the command as a list of words, after checking it against the ONNX file and the files it names.

    Output nodes are looked up from the graph, since their names change with the exporter's version.
    """
    graph = describe(load(onnx, check=facts.atc.onnx is None))
    problems = [
        *_check_batch_size(facts, batch_size),
        *_check_inputs(facts, graph, batch_size),
        *_check_outputs(facts, graph),
        *_check_options(facts, folder),
    ]
    if not re.fullmatch(r"Ascend[\w-]+", soc_version, re.ASCII):
        problems.append(
            f"--soc-version: expected Ascend and the chip's name, as in Ascend310P3, found {soc_version!r}"
        )
    if problems:
        raise GuideError(
            f"{onnx}: ATC would not convert this as model.toml says:\n  " + "\n  ".join(problems)
        )
    atc = facts.atc
    shapes = (f"{t.name}:{','.join(map(str, _sized(t, batch_size)))}" for t in facts.inputs)
    words = [
        "atc",
        "--framework=5",
        f"--model={onnx}",
        f"--output={atc.output.replace('{batch_size}', str(batch_size))}",
        f"--input_format={atc.input_format}",
        f"--input_shape={';'.join(shapes)}",
        f"--log={atc.log}",
        f"--soc_version={soc_version}",
    ]
    if atc.name_out_nodes:
        words.append(f"--out_nodes={';'.join(graph.producers[output.name] for output in graph.outputs)}")
    return words + [f"--{option}={value}" for option, value in atc.options.items()]


def _sized(tensor: Tensor, batch_size: int) -> tuple[int | str, ...]:
    return tuple(batch_size if dim == "N" else dim for dim in tensor.shape)


def _check_batch_size(facts: Facts, batch_size: int) -> list[str]:
    """A network without "N" in its shape takes batches of one size: another one would not reach ATC."""
    sizes = {tensor.shape[0] for tensor in facts.inputs} - {"N", batch_size}
    return [
        f"--batch-size: {facts.title} takes {size} alone, asked for {batch_size}; leave --batch-size out"
        for size in sizes
    ]


def _check_inputs(facts: Facts, graph: Graph, batch_size: int) -> list[str]:
    """Compare names, ranks and sizes of the inputs; a dynamic dimension takes any size."""
    found = {value.name: value for value in graph.inputs}
    expected = {tensor.name: tensor for tensor in facts.inputs}
    problems = []
    if set(found) != set(expected):
        problems.append(f"inputs: model.toml says {sorted(expected)}, the file has {sorted(found)}")
    for name in sorted(set(found) & set(expected)):
        wanted, shape = _sized(expected[name], batch_size), found[name].shape
        if len(shape) != len(wanted):
            problems.append(f"input {name!r}: expected {len(wanted)} dimensions, the file has {len(shape)}")
        elif any(isinstance(dim, int) and dim != want for dim, want in zip(shape, wanted, strict=True)):
            problems.append(
                f"input {name!r}: asked for {wanted}, the file has {shape}; export it for this batch size"
            )
        if found[name].dtype != expected[name].dtype:
            problems.append(
                f"input {name!r}: expected {expected[name].dtype}, the file has {found[name].dtype}"
            )
    return problems


def _check_outputs(facts: Facts, graph: Graph) -> list[str]:
    problems = []
    names, expected = [v.name for v in graph.outputs], [t.name for t in facts.outputs]
    if names != expected:
        problems.append(f"outputs: model.toml says {expected}, the file has {names}")
    nameless = [v.name for v in graph.outputs if graph.producers.get(v.name, ":").startswith(":")]
    if facts.atc.name_out_nodes and nameless:
        problems.append(f"outputs {nameless} come from nodes without a name; export the model again")
    if graph.opset > facts.opset:
        problems.append(f"opset: expected at most {facts.opset}, the file has {graph.opset}")
    return problems


def _check_options(facts: Facts, folder: Path) -> list[str]:
    problems = []
    options = {option: str(value) for option, value in facts.atc.options.items()}
    for option, allowed in _NAMED.items():
        value = getattr(facts.atc, option)
        if value not in allowed:
            problems.append(f"--{option}: expected one of {', '.join(allowed)}, found {value!r}")
    for option, value in options.items():
        if option not in _OPTIONS:
            near = difflib.get_close_matches(option, _OPTIONS, n=1)
            problems.append(
                f"--{option}: not a known option" + (f"; did you mean --{near[0]}?" if near else "")
            )
        elif (choices := _OPTIONS[option]) and value not in choices:
            problems.append(f"--{option}: expected one of {', '.join(choices)}, found {value!r}")
        elif option in _FILES:
            problems += _check_file(facts, option, folder / value)
    if "{" in facts.atc.output.replace("{batch_size}", ""):
        problems.append(f"output: expected no placeholder but {{batch_size}}, found {facts.atc.output!r}")
    if "modify_mixlist" in options and options.get("precision_mode") not in _MIX_MODES:
        problems.append(f"--modify_mixlist: needs --precision_mode to be one of {', '.join(_MIX_MODES)}")
    return problems


def _check_file(facts: Facts, option: str, path: Path) -> list[str]:
    """Look into the file that an option names, where its form is known here."""
    if not path.is_file():
        return [f"--{option}: no such file: {path}"]
    if option == "modify_mixlist":
        return atc_types.problems(path)
    return _check_aipp(facts, path) if option == "insert_op_conf" else []


def _check_aipp(facts: Facts, path: Path) -> list[str]:
    """AIPP here neither crops nor pads, so the picture it takes must have the input's own size."""
    aipp = read_aipp(path)
    image = facts.inputs[0]
    if len(image.shape) != 4:
        return [f"{path}: AIPP needs an input of 4 dimensions, {image.name!r} has {len(image.shape)}"]
    channels, height, width = image.shape[1:]
    problems = []
    if channels != 3:
        problems.append(f"{path}: RGB888_U8 has 3 channels, input {image.name!r} has {channels}")
    if aipp.size not in (None, (width, height)):
        problems.append(
            f"{path}: src_image_size is {aipp.size}, the input's width and height are {(width, height)}"
        )
    return problems


def convert(command: Sequence[str]) -> Path:
    """Run ATC and return the .om it wrote; success is exit code 0 and a new file, whatever ATC prints.

    An .om of an earlier run is set aside, replaced on success and put back on failure.
    """
    output = next(word for word in command if word.startswith("--output="))
    om = Path(output.partition("=")[2] + ".om")
    om.parent.mkdir(parents=True, exist_ok=True)
    earlier = om.with_name(f".{om.name}.earlier")
    if om.exists() and not earlier.exists():  # it exists if this program was killed while ATC wrote the .om
        om.replace(earlier)
    om.unlink(missing_ok=True)
    done = False
    try:
        code, printed = process.run(command, _REMEDY)
        last = "its last words were:\n  " + "\n  ".join(printed.splitlines()[-20:])
        if code:
            raise GuideError(f"atc failed with exit code {code}; {last}")
        if not om.is_file():
            raise GuideError(f"atc ended with exit code 0 but wrote no new {om}; {last}")
        done = True
    finally:
        if done:
            earlier.unlink(missing_ok=True)
        else:
            om.unlink(missing_ok=True)
            if earlier.exists():
                earlier.replace(om)
    return om


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Convert the ONNX file of the model directory you stand in to an OM file, with the guide's ATC command.

    Names, shapes, the AIPP file and the options in model.toml are checked against the ONNX file first.
    """
    arguments = cli.parser(main.__doc__, prog="python -m common.atc")
    add = arguments.add_argument
    add("--model", type=Path, metavar="F", help="The ONNX file (default: the one that model.toml names).")
    add("--batch-size", type=cli.positive_int, default=1, metavar="N", help="Images per call (default: 1).")
    add(
        "--soc-version",
        metavar="S",
        help="The chip, for example Ascend310P3 (default: what `npu-smi info` says).",
    )
    add("--dry-run", action="store_true", help="Only check and print the command.")
    options = arguments.parse_args(argv)
    facts = read_facts(Path())
    onnx = options.model or Path(facts.atc.onnx or facts.onnx)
    soc_version = options.soc_version or smi.soc_version()
    command = atc_command(facts, onnx, options.batch_size, soc_version)
    if options.dry_run:
        print(process.quote(command))
        return 0
    print(f"{convert(command)}: ready for the NPU, batch size {options.batch_size}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
