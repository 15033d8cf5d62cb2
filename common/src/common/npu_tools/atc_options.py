"""The options of ATC and AOE that convert an ONNX file: what values each takes, and which go together.

Source: CANN documentation, "ATC Instructions" (atlasatc, atlasatcparam) and "AOE Instructions" (aoepar); names of older
releases are kept, since the guides use them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

MIX_MODES = ("allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16")
MIX_MODES_V2 = ("mixed_float16", "mixed_bfloat16", "mixed_hif8")
# One of these at most: they make an OM of several sizes.
_MOST_GEARS = 100
GEARS = ("dynamic_batch_size", "dynamic_image_size", "dynamic_dims")
# What the command says of itself: by arguments of their own, not as options.
OWN = {
    "framework": "",
    "model": "--model",
    "output": "--output",
    "soc_version": "--soc-version",
    "job_type": "--aoe",
}
LOG_LEVELS = ("debug", "info", "warning", "error", "null")
_SWITCH = ("0", "1")
_TRUTH = ("true", "false")
_CHOICES: dict[str, tuple[str, ...]] = {
    "input_format": ("NCHW", "ND", "NCDHW"),
    "log": LOG_LEVELS,
    "precision_mode": (
        "force_fp16",
        "force_fp32",
        "cube_fp16in_fp32out",
        *MIX_MODES,
        "allow_fp32_to_fp16",
        "allow_fp32_to_bf16",
        "must_keep_origin_dtype",
    ),
    "precision_mode_v2": ("fp16", "origin", "cube_fp16in_fp32out", "cube_hif8", *MIX_MODES_V2),
    "op_select_implmode": (
        "high_precision",
        "high_performance",
        "high_precision_for_all",
        "high_performance_for_all",
    ),
    "buffer_optimize": ("l2_optimize", "l1_optimize", "off_optimize"),
    "op_compiler_cache_mode": ("disable", "enable", "force"),
    "core_type": ("AiCore", "VectorCore"),
    "op_debug_level": ("0", "1", "2", "3", "4"),
    "external_weight": ("0", "1", "2"),
    "jit_compile": ("0", "1", "2"),
    "deterministic_level": ("0", "1", "2"),
    "shape_generalized_build_mode": ("shape_generalized", "shape_precise"),
    "oo_level": ("O1", "O3"),
    "progress_bar": ("on", "off"),
    "tune_optimization_level": ("O1", "O2"),
    **dict.fromkeys(
        (
            "enable_small_channel",
            "disable_reuse_memory",
            "virtual_type",
            "sparsity",
            "ac_parallel_enable",
            "tiling_schedule_optimize",
            "dump_mode",
            "status_check",
            "display_model_info",
            "atomic_clean_policy",
            "deterministic",
            "is_weight_clip",
            "quant_dumpable",
        ),
        _SWITCH,
    ),
    **dict.fromkeys(
        ("enable_compress_weight", "enable_single_stream", "enable_attr_compression", "allow_hf32"), _TRUTH
    ),
}
_NUMBERS = r"[1-9]\d*(,[1-9]\d*)*"
_TYPES = "FP32|FP16|INT8|INT16|UINT16|UINT8|INT32|INT64|UINT32|UINT64|DOUBLE"
# A regular expression, and the form in words.
_FORMS = {
    "input_shape": (r"[^:;]+:[^:;]+(;[^:;]+:[^:;]+)*", "name:n,c,h,w;name2:n,c,h,w"),
    "out_nodes": (r"[^:;]+:\d+(;[^:;]+:\d+)*", "node:output;node2:output"),
    "output_type": (
        rf"({_TYPES})|[^:;]+:\d+:({_TYPES})(;[^:;]+:\d+:({_TYPES}))*",
        "FP32, FP16, UINT8, INT8 and the like, or node:output:FP16",
    ),
    "input_fp16_nodes": (r"[^:;,]+(;[^:;,]+)*", "input;input2"),
    "optypelist_for_implmode": (r"\w+(,\w+)*", "Type,Type2"),
    "dynamic_batch_size": (_NUMBERS, "1,2,4,8"),
    "dynamic_image_size": (r"[1-9]\d*,[1-9]\d*(;[1-9]\d*,[1-9]\d*)*", "height,width;height2,width2"),
    "dynamic_dims": (rf"{_NUMBERS}(;{_NUMBERS})*", "size,size;size2,size2"),
    "auto_tune_mode": (r"(GA|RL)(,(GA|RL))?", "GA,RL"),
    "is_input_adjust_hw_layout": (r"(true|false)(,(true|false))*", "true,false"),
    "is_output_adjust_hw_layout": (r"(true|false)(,(true|false))*", "true,false"),
    "device": (r"\d{1,4}", "a device's number"),
    "device_id": (r"\d{1,4}", "a device's number"),
    "aicore_num": (r"[1-9]\d{0,3}(\|\d{0,4})?", "a number of cores"),
    **dict.fromkeys(("host_env_os", "host_env_cpu"), (r"\w+", "linux, aarch64, x86_64")),
    **dict.fromkeys(
        (
            "op_compiler_cache_dir",
            "debug_dir",
            "op_bank_path",
            "mdl_bank_path",
            "enable_scope_fusion_passes",
            "optimization_switch",
        ),
        (r".+", "a text"),
    ),
}
# Files that they name; what is in some is checked where the command is made.
FILES = (
    "insert_op_conf",
    "modify_mixlist",
    "keep_dtype",
    "fusion_switch_file",
    "op_precision_mode",
    "customize_dtypes",
    "compression_optimize_conf",
    "compress_weight_conf",
    "op_debug_config",
    "op_name_map",
    "tune_ops_file",
)
_AOE_ALONE = ("device", "progress_bar", "tune_ops_file", "tune_optimization_level")
# ATC's that AOE does not take; it has no other than the NPU it runs on.
_ATC_ALONE = (
    "auto_tune_mode",
    "op_compiler_cache_dir",
    "op_compiler_cache_mode",
    "debug_dir",
    "op_bank_path",
    "mdl_bank_path",
    "display_model_info",
    "dump_mode",
    "device_id",
    "external_weight",
    "jit_compile",
    "status_check",
)
_KNOWN = (*_CHOICES, *_FORMS, *FILES)


def problems(options: Mapping[str, str], tool: str) -> list[str]:
    """Return what is wrong with options by their names and values: unknown ones, values, what does not go together."""
    return [*_values(options, tool), *_relations(options)]


def doubts(options: Mapping[str, str], soc_version: str) -> Iterator[str]:
    """Yield what ATC takes and what is nonetheless seldom meant, in words."""
    if soc_version.startswith("Ascend310B") and options.get("precision_mode") == "force_fp32":
        yield (
            "--precision_mode=force_fp32: the 310B computes in float16, and ATC may take hours over it, or not end; leave "
            "it out, --option precision_mode=, unless an operator needs it"
        )


def _values(options: Mapping[str, str], tool: str) -> Iterator[str]:
    known = [name for name in _KNOWN if name not in (_ATC_ALONE if tool == "aoe" else _AOE_ALONE)]
    for option, value in options.items():
        if option in OWN:
            yield f"--{option}: " + (f"give it as {OWN[option]}" if OWN[option] else "is always 5, ONNX")
        elif option not in known:
            yield f"--{option}: not a known option{_hint(option, known, tool)}"
        elif value not in _CHOICES.get(option, (value,)):
            yield f"--{option}: expected one of {', '.join(_CHOICES[option])}, found {value!r}"
        elif option in _FORMS and not re.fullmatch(_FORMS[option][0], value, re.ASCII):
            yield f"--{option}: expected {_FORMS[option][1]}, found {value!r}"


def _hint(option: str, known: Iterable[str], tool: str) -> str:
    if option in _KNOWN:
        return f" of {tool}, but of {'atc' if tool == 'aoe' else 'aoe'}"
    near = difflib.get_close_matches(option, known, n=1)
    return f"; did you mean --{near[0]}?" if near else ""


def _relations(options: Mapping[str, str]) -> Iterator[str]:
    mode, mode_v2 = options.get("precision_mode"), options.get("precision_mode_v2")
    kind = options.get("op_select_implmode", "")
    rules = (
        (mode and mode_v2, "--precision_mode, --precision_mode_v2: only one of them can be given"),
        (
            "modify_mixlist" in options and mode not in MIX_MODES and mode_v2 not in MIX_MODES_V2,
            (
                f"--modify_mixlist: needs --precision_mode to be one of {', '.join(MIX_MODES)}; "
                "--option modify_mixlist= leaves it out"
            ),
        ),
        (
            "optypelist_for_implmode" in options and kind not in ("high_precision", "high_performance"),
            "--optypelist_for_implmode: needs --op_select_implmode to be high_precision or high_performance",
        ),
        (
            "keep_dtype" in options and mode_v2 == "origin",
            "--keep_dtype: does nothing with --precision_mode_v2=origin, which keeps all types",
        ),
        (
            "input_fp16_nodes" in options and "insert_op_conf" in options,
            "--input_fp16_nodes: cannot be given with AIPP (--insert_op_conf), whose input is uint8",
        ),
    )
    yield from (problem for broken, problem in rules if broken)
    yield from _gears(options)


def _gears(options: Mapping[str, str]) -> Iterator[str]:
    given = [name for name in GEARS if name in options]
    if len(given) > 1:
        yield f"{', '.join(f'--{name}' for name in given)}: only one of them can be given"
    if "dynamic_dims" in options and "insert_op_conf" in options:
        yield "--dynamic_dims: cannot be given with AIPP (--insert_op_conf)"
    if "dynamic_dims" in options and options.get("input_format") != "ND":
        yield "--dynamic_dims: needs --input_format=ND"
    for name in given:
        sizes = options[name].split(";" if name != "dynamic_batch_size" else ",")
        if not 2 <= len(sizes) <= _MOST_GEARS or len({*sizes}) < len(sizes):
            yield f"--{name}: expected 2 to {_MOST_GEARS} different sizes, found {options[name]!r}"
