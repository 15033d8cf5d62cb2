"""What to do about a failure of ATC: by its code, by what else it says, by the operators that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import onnx

from common.npu_tools.atc_codes import CHECK, CODES, HELP, INNER, KILLED, MEMORY, PYTHON, SOURCE

_OLDEST = 11  # the opset of the guides, which each CANN reads
OPSET = re.compile(r"^ai\.onnx::([0-9]{1,3})::(.+)")
# What is said without a code, or decides what a code means.
SAID: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (
        re.compile(r"libascend_hal\.so[.\d]*: cannot open shared object"),
        (
            ("The NPU's driver is missing here. To convert without one, add CANN's stub libraries: export "
            "LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$ASCEND_TOOLKIT_HOME/$(uname -m)-linux/devlib"),
            "To run an OM file, install the driver, or mount /usr/local/Ascend/driver into the container.",
        ),
    ),
    (re.compile(r"path can only contain"), (
        "ATC takes letters, digits and . _ - in a path alone: move the directory to a path without blanks and the like.",
    )),
    (re.compile(r"cannot open shared object file|error while loading shared libraries"), (SOURCE,)),
    (re.compile(r"host_env_(os|cpu)\b.*"), (SOURCE, "A value that holds a semicolon has to be in quotes.")),
    (re.compile(r"\[?soc_version\]?\b.*(invalid|empty)", re.IGNORECASE), (
        ("--soc_version is Ascend and the Name that `npu-smi info` shows, for example Ascend310P3; `python -m common.atc` "
        "looks it up, --soc-version names it."),
    )),
    (re.compile(r"Value \[?-1\]? for parameter \[?(--)?\w+\]? is invalid"), (
        "The network has dynamic dimensions: name each input in --input_shape, as it is called in the ONNX file.",
        CHECK,
    )),
    (re.compile(r"atc(\.bin)?: (command )?not found|bash: .*\batc\b.*No such file"), (SOURCE,)),
    (re.compile(r"[Uu]nknown command line flag|unrecognized (option|argument)"), (
        "The option is not one of this ATC: it is spelled wrongly, or of another release.", HELP,
    )),
    (re.compile(r"No space left on device|Disk quota exceeded"), (
        "Make room: ATC writes beside --output, to ./kernel_meta, ~/atc_data and ~/ascend/log.",
    )),
    (re.compile(r"Permission denied"), ("Write to a directory of your own: --output, ~/atc_data and ~/ascend/log.",)),
    (re.compile(r"np\.float_|numpy\.(core|dtype size|float_|ufunc size)|No module named '?numpy"), (
        'CANN\'s Python code needs a numpy below 2: python3 -m pip install "numpy<2"',
    )),
    (re.compile(r"No module named|ModuleNotFoundError|ImportError"), PYTHON),
    (re.compile(r"\bKilled\b|[Oo]ut of memory|oom-kill|std::bad_alloc|MemoryError|Cannot allocate memory"),
     KILLED),
    (re.compile(r"Segmentation fault|Aborted \(core dumped\)|Illegal instruction|Bus error"), (
        "ATC itself crashed: CANN, driver and processor (aarch64 or x86_64) have to belong together.", MEMORY,
    )),
    (re.compile(r"[Tt]he opp version of the model does not match"), (
        "The OM file is of another CANN than this one; convert it again: python -m common.atc --force",
    )),
    (re.compile(r"507033|open device \d+ failed|[Ff]ailed to open device|SetDevice failed|-80(05|20)\b"), CODES["EL003"]),
)  # fmt: skip
_PACKAGES = {
    "attr": "attrs",
    "absl": "absl-py",
    "google": "protobuf",
    "yaml": "pyyaml",
    "cv2": "opencv-python",
}
_CANNS = ("te", "tbe", "auto_tune", "op_test_frame", "schedule_search", "hccl", "topi", "tik")
_MODULE = re.compile(r"(?:No module named '?|Failed to import \[)([A-Za-z_][\w.]*)")


def inner(code: str) -> bool:
    """Tell whether a code stands for an error inside the software, of which the next lines say more."""
    return code.endswith("9999")


def advice(code: str | None, said: Sequence[str]) -> list[str]:
    """Return what to do, best first: `said` are the message and other lines that may hold a cause."""
    found: list[str] = []
    for line in said:
        if module := _MODULE.search(line):
            found.append(_install(module[1].partition(".")[0]))
        for pattern, sentences in SAID:
            if pattern.search(line):
                found += sentences
                break
    if code is not None:
        strange = (
            f"{code} is not explained here; ATC's own line, and the Solution below it in the log, say more.",
        )
        found += CODES.get(code, INNER if inner(code) else strange)
    return list(dict.fromkeys(found))


def _install(module: str) -> str:
    if module in sys.stdlib_module_names:
        return (
            f"The module {module!r} is Python's own: ATC found a Python that is not whole, or another one's library. Put "
            "the right python3 first on PATH, and unset PYTHONHOME."
        )
    if module in _CANNS:
        return f"The module {module!r} is CANN's own, found through PYTHONPATH. {SOURCE}"
    return (
        f"Install it into the python3 that ATC embeds: python3 -m pip install {_PACKAGES.get(module, module)}"
    )


def of_operators(kinds: Iterable[str]) -> Iterator[str]:
    """Yield what to do about operators that ATC has no parser for, by their opset and by whether ONNX has them."""
    named = [(int(found[1]), found[2]) for kind in kinds if (found := OPSET.match(kind))]
    opset = max((version for version, _ in named), default=0)
    own = sorted({name for _, name in named if onnx.defs.has(name)})
    strange = sorted({name for _, name in named if not onnx.defs.has(name)})
    if own and opset > _OLDEST:
        yield (
            f"The file is of operator set {opset}, newer than this CANN reads; export it in an older one: "
            f"python pth2onnx.py --opset {_OLDEST}"
        )
    elif own:
        yield f"This CANN cannot read {', '.join(own)}: take a newer CANN, or replace the operators in the network."
    if strange or not named:
        yield (
            f"{', '.join(strange) or 'Such an operator'} is none of ONNX's own: correct its name in the graph, install the "
            "package of operators that brings it into this CANN, or replace it in the network."
        )
    yield "All the operators that it names have to go or be made known; more may follow once these are."
