"""Half precision that is emulated on a CPU: figures as an NPU would have them, which are not an NPU's."""

from __future__ import annotations

EMULATED = "float16-emulated"
_LABEL = "; half precision emulated, not measured on an NPU"


def label(precision: str | None) -> str:
    """Return what a verdict says of a precision that is emulated, nothing of others."""
    return _LABEL if precision == EMULATED else ""
