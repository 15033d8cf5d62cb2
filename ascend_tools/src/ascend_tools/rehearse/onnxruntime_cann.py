"""The stand-in for the package onnxruntime-cann: this Python's onnxruntime with a provider CANN, which runs nothing.

It is the fault that users meet: the provider is listed, a session names it, and all is computed on the CPU. A rehearsal
has it in a directory of its own, which has to be put first on PYTHONPATH.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

VERSION = "1.22.0"
_CANN = "CANNExecutionProvider"


def load(file: str) -> ModuleType:
    """Return onnxruntime, imported past the package of a file that stands before it, with the provider added."""
    place = Path(file).resolve().parents[1]
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != place]
    sys.modules.pop("onnxruntime", None)
    module = importlib.import_module("onnxruntime")
    sys.path.append(str(place))  # the package's metadata stays where it can be found
    listed, session = module.get_available_providers, module.InferenceSession

    class InferenceSession(session):  # type: ignore[misc, valid-type]
        """A session that says that it has CANN where it was asked for that."""

        def __init__(self, *words: Any, providers: Any = None, **options: Any) -> None:
            names = [each if isinstance(each, str) else each[0] for each in providers or ()]
            self._asked = _CANN in names
            others = [each for each, name in zip(providers or (), names, strict=True) if name != _CANN]
            super().__init__(*words, providers=others or ["CPUExecutionProvider"], **options)

        def get_providers(self) -> list[str]:
            """Return the providers of the session."""
            found = list(super().get_providers())
            return [_CANN, *found] if self._asked else found

    module.__dict__["get_available_providers"] = lambda: [_CANN, *listed()]
    module.__dict__["InferenceSession"] = InferenceSession
    return module
