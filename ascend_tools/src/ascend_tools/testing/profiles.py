"""How many examples hypothesis tries: few by default, many on request."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


def load() -> None:
    """Load the profile that HYPOTHESIS_PROFILE names: "suite" (default), or "thorough".

    Examples overwrite the same files of one tmp_path; how long an example takes is not what is tested.
    """
    shared = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
    settings.register_profile("suite", max_examples=30, **shared)
    settings.register_profile("thorough", max_examples=1000, **shared)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))
