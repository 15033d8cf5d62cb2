"""What the codes of CANN's runtime mean, and what to do: of ais_bench, pyACL, and the tools that run OM files.

Source: CANN documentation, "AscendCL API (C)", return codes, and the runtime's fault codes.
"""

from __future__ import annotations

import re

TAKEN = (
    "See with npu-smi info whether the device is there, healthy and free: another process or container may have it. In a "
    "container, /dev/davinci*, davinci_manager, devmm_svm and hisi_hdc have to be mounted; a user has to be in the group "
    "HwHiAiUser; after an upgrade of the driver, reboot."
)
CRASHED = "An OM file that was built for another chip can do that: convert it for this one with python -m common.atc."
_DEVICE = "npu-smi info lists the devices, in its column Device; name one of them with --device."
_CONVERT = "Convert the model again on this machine: python -m common.atc --force."
_MEMORY = (
    "Lower the batch size, name other devices with --device, or end what else runs there (npu-smi info)."
)
_SOURCE = "Source CANN's set_env.sh in this shell (source /usr/local/Ascend/ascend-toolkit/set_env.sh)."
_AGAIN = (
    "Run the same command again, which goes on from there; where it fails again, look for the operator in ~/ascend/log, "
    "and at the device's health (npu-smi info)."
)
OVERFLOW = "See whether half precision is the cause: python -m common.atc --option precision_mode=must_keep_origin_dtype."
_SIZES = "Convert the model for this batch size, or leave --batch-size out."
_BUG = "That is a mistake of this program or the library; ~/ascend/log tells more."
# Code to what it means and what to do, the more telling ones first: several stand in one printout.
_CODES = {
    "507033": ("the device could not be opened", TAKEN),
    "507899": ("the driver failed", TAKEN),
    "107001": ("there is no such device", _DEVICE),
    "207004": ("there is no device", TAKEN),
    "200002": ("there is no such device", _DEVICE),
    "207006": ("this user may not use the device", TAKEN),
    "507008": ("the chip is another than the model's or CANN's", _CONVERT),
    "207001": ("the device has not enough memory", _MEMORY),
    "207018": ("the device's memory is used up", _MEMORY),
    "245000": ("the device has not enough memory for the model", _MEMORY),
    "200000": ("there is not enough memory", _MEMORY),
    "507010": ("the device is lost", TAKEN),
    "507901": ("the device is lost", TAKEN),
    "507013": ("the transfer to or from the device failed", _AGAIN),
    "207003": ("a number became infinite or NaN on the device", OVERFLOW),
    "207016": ("a number became infinite or NaN on the device", OVERFLOW),
    "507012": ("the device did not answer in time", _AGAIN),
    "107019": ("the device did not answer in time", _AGAIN),
    "507014": ("an operator took too long on the device's cores", _AGAIN),
    "507015": ("an operator failed on the device's cores", _AGAIN),
    "507016": ("an operator failed on the device's cores", _AGAIN),
    "507017": ("an operator took too long on the device's CPU", _AGAIN),
    "507018": ("an operator failed on the device's CPU", _AGAIN),
    "507034": ("an operator took too long on the vector cores", _AGAIN),
    "507035": ("an operator failed on the vector cores", _AGAIN),
    "507036": ("an operator failed on the vector cores", _AGAIN),
    "507011": ("the model failed on the device", _AGAIN),
    "145002": ("the path of the model is not valid", _CONVERT),
    "145006": ("the file of the model has a wrong size", _CONVERT),
    "145012": ("the arrays have another size than the model's inputs", _SIZES),
    "145013": ("the batch size is none of those that the model was built for", _SIZES),
    "145021": ("the shape is none of those that the model was built for", _SIZES),
    "100015": ("the arrays have another size than the model's inputs", _SIZES),
    "100016": ("the arrays have another size than the model's outputs", _SIZES),
    "545001": ("the model could not be loaded", _CONVERT),
    "545002": ("the model could not be loaded", _CONVERT),
    "545003": ("the model's weights could not be loaded", _CONVERT),
    "545004": ("the model's tasks could not be loaded", _CONVERT),
    "545005": ("the model's kernels could not be loaded", _CONVERT),
    "100003": ("the file of the model is not valid", _CONVERT),
    "100005": ("the file of the model has a wrong size", _CONVERT),
    "100010": ("the file is no OM file, or one of another version of CANN", _CONVERT),
    "100011": ("the model cannot be parsed", _CONVERT),
    "100012": ("the model cannot be read", _CONVERT),
    "100013": ("the model has a wrong size", _CONVERT),
    "100001": ("the runtime was not started", _SOURCE),
    "107002": ("the thread has no device", _BUG),
    "145000": ("an argument is not valid, or the file is no OM file that this CANN reads", _CONVERT),
    "100000": ("an argument is not valid, or the file is no OM file that this CANN reads", _CONVERT),
    "107000": ("an argument is not valid", _BUG),
    "500002": ("the graph engine failed, often by a model of another chip or version of CANN", _CONVERT),
    "545000": ("the graph engine failed, often by a model of another chip or version of CANN", _CONVERT),
    "500004": ("the driver failed", TAKEN),
    "500003": ("the runtime failed", _AGAIN),
    "507000": ("the runtime failed", _AGAIN),
    "500001": ("the call failed", _AGAIN),
    "500000": ("an inner error", _AGAIN),
}
# What is told in words alone, as regular expressions.
_WORDS = {
    r"lib[\w+-]+\.so[.\d]*: cannot open shared object file": ("a library of CANN is not found", _SOURCE),
    r"No module named '?(ais_bench|aclruntime|acl)\b": (
        "neither ais_bench nor acl can be imported",
        _SOURCE + " It brings acl; ais_bench and aclruntime are wheels from Ascend's own repository, gitee.com/ascend/tools, not from PyPI.",
    ),
    r"incompatible (?:function|constructor) arguments": (
        "ais_bench and aclruntime are of different versions",
        "Install both wheels of one release from Ascend's own repository, gitee.com/ascend/tools.",
    ),
    r"save out files error": (
        "an output cannot be divided among the inputs, since the batch is not first in it",
        "Export the model with the batch first in each output, or run ais_bench by hand with --output_batchsize_axis.",
    ),
    r"opp version of the model does not match": ("the model was converted with another version of CANN", _CONVERT),
    r"in size:\s*\d+\s*needsize:\s*\d+ not match": (
        "the arrays have another size than the model's inputs", _SIZES,
    ),
    r"No space left on device": ("the disk is full", "Make room, and run the same command again, which goes on from there."),
    r"load model from file failed": (
        "the model could not be loaded, often for being of another chip or version of CANN", _CONVERT,
    ),
}  # fmt: skip
_TELLING = re.compile(r"error|fail|E[A-Z]\d{3,4}\b|not match|cannot", re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300  # letters of a line that is quoted


def explain(text: str) -> str:
    """Return in words what went wrong by a printout or an exception's text, what to do, and the line that tells it."""
    text = _COLOURS.sub("", text).replace("\x00", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)] or lines
    quoted = telling[-1][:_LONGEST] if telling else ""
    numbers = set(re.findall(r"(?<![\d.])\d{6}(?![\d.]*\d)", text))
    for code, (meaning, remedy) in _CODES.items():
        if code in numbers:
            line = next((line for line in reversed(lines) if code in line), quoted)
            return f"Code {code}: {meaning}. {remedy} It says: {line[:_LONGEST]}"
    for pattern, (meaning, remedy) in _WORDS.items():
        if found := re.search(pattern, text):
            line = next((line for line in lines if found[0] in line), found[0])
            return f"{meaning[0].upper()}{meaning[1:]}. {remedy} It says: {line[:_LONGEST]}"
    return f"It says: {quoted}" if quoted else "It says nothing; ~/ascend/log may tell more."
