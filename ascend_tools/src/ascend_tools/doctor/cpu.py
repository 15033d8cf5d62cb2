"""What the processor and the memory of this machine can do, for ONNX Runtime, torch and ATC's compilers."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from typing import Any

from ascend_tools.doctor import places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from common import kernel

_TITLES = {
    "cpu.model": "Processor",
    "cpu.cores": "Cores",
    "cpu.memory": "Memory",
    "cpu.bf16": "bfloat16 in the CPU",
    "cpu.matrix": "Matrix units of the CPU",
}
# Flags of Linux's /proc/cpuinfo, of Intel and AMD ("flags") and of Arm ("Features"), to what they are called.
_BF16 = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512",
    "avx_ne_convert": "AVX (conversion)",
    "bf16": "Arm",
    "svebf16": "SVE",
}
_MATRIX = {
    "amx_tile": "AMX tiles",
    "amx_int8": "AMX int8",
    "amx_bf16": "AMX bfloat16",
    "amx_fp16": "AMX float16",
    "sme": "SME",
    "sme2": "SME2",
    "i8mm": "Arm int8 matrices (i8mm)",
    "svei8mm": "SVE int8 matrices",
    "avx512_vnni": "AVX-512 VNNI (int8)",
    "avx_vnni": "AVX VNNI (int8)",
    "asimddp": "Arm int8 dot products",
}
# Units that OpenVINO computes a network in bfloat16 with; its own line says what else it can.
_OPENVINO = ("amx_bf16", "avx512_bf16")
_USE = "; --backend openvino --precision bfloat16 runs networks on it"
_ENOUGH = 4 * 2**30  # bytes, below which the larger networks run with care only


def _probe() -> Sequence[Check]:
    told = kernel.fields(places.ROOT)
    flags = sorted(set(" ".join(told.get(key, "") for key in ("flags", "Features", "features")).split()))
    return [
        _model(),
        _cores(),
        _memory(),
        _unit("cpu.bf16", _BF16, flags),
        _unit("cpu.matrix", _MATRIX, flags),
    ]


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, required=False, details=details)


def _model() -> Check:
    name = kernel.cpu_model(places.ROOT)
    return _check("cpu.model", Status.OK, f"{name}, {platform.machine()}", name=name, arch=platform.machine())


def cores() -> float:
    """Return how many cores this process can keep busy: those it may run on, or the share that its container has."""
    allowed = len(kernel.cpus())
    return min(allowed, quota() or allowed)


def quota() -> float | None:
    """Return how many cores' time the control groups of this process grant it, None for no limit."""
    found = kernel.container(places.ROOT)
    return found.limit if found else None


def memory() -> int:
    """Return the bytes that this process may take, the machine's memory or its container's; 0 where neither is told."""
    return min(filter(None, (_machine_memory(), kernel.memory_limit(places.ROOT))), default=0)


def _machine_memory() -> int:
    text = places.read(places.ROOT / "proc/meminfo")
    found = re.search(r"^MemTotal:\s*([0-9]{1,15}) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _cores() -> Check:
    total, allowed, share = os.cpu_count() or 1, len(kernel.cpus()), quota()
    details: dict[str, Any] = {"cores": total, "allowed": allowed, "quota": share}
    if share is not None and share < allowed:
        words = f"{allowed} are seen, and the container may use the time of {share:g}: programs start a thread for each"
        most = max(1, int(share))
        remedy = f"taskset -c 0-{most - 1} COMMAND" if most > 1 else "taskset -c 0 COMMAND"
        return _check(
            "cpu.cores",
            Status.WRONG,
            words,
            f"{remedy}, or give the container more (docker run --cpus {allowed})",
            **details,
        )
    words = f"{allowed}" + (f" of {total}, by affinity" if allowed < total else "")
    return _check("cpu.cores", Status.OK, words, **details)


def _memory() -> Check:
    total = memory()
    if not total:
        return _check("cpu.memory", Status.MISSING, "not told: no /proc/meminfo", "Look with `free -h`.")
    whole = _machine_memory()
    words = f"{total / 2**30:.1f} GiB" + (
        f" of {whole / 2**30:.1f}, by the container's limit" if total < whole else ""
    )
    if total < _ENOUGH:
        remedy = (
            "Take --batch-size 1 and --workers 1; add swap, or give the container more (docker run --memory)."
        )
        return _check(
            "cpu.memory",
            Status.WRONG,
            f"{words}, which is little for the larger networks",
            remedy,
            bytes=total,
        )
    return _check("cpu.memory", Status.OK, words, bytes=total)


def _unit(each: str, units: dict[str, str], flags: Sequence[str]) -> Check:
    found = [flag for flag in units if flag in flags]
    if found:
        words = ", ".join(dict.fromkeys(units[flag] for flag in found))
        words += _USE if any(flag in _OPENVINO for flag in found) else ""
        return _check(each, Status.OK, words, flags=found)
    if not flags:
        return _check(
            each, Status.MISSING, "not told: /proc/cpuinfo names no flags", "Look with `lscpu`.", flags=[]
        )
    what = (
        "networks run in float32, which is all that ONNX Runtime and OpenVINO do well here"
        if each == "cpu.bf16"
        else "float32 and int8 run on the vector units"
    )
    return _check(
        each,
        Status.MISSING,
        f"none: {what}",
        "Nothing has to be done; --backend auto tries which of ONNX Runtime and OpenVINO is faster here.",
        flags=[],
    )


PROBES = (Registered(_probe, _TITLES, Level.QUICK, optional=frozenset(_TITLES)),)
