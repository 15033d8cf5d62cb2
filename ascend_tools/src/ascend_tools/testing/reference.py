"""The facts measured on the original implementations, where they are present."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


def root(config: pytest.Config) -> Path:
    """Return the directory of the reference data: ASCEND_GUIDES_REFERENCE, or beside the repository."""
    beside = config.rootpath.parent / "shared" / "reference"
    return Path(os.environ.get("ASCEND_GUIDES_REFERENCE", beside))


def reference_of(model: str):
    """Return a fixture: the measured facts about one original; without them its tests are skipped."""

    @pytest.fixture(scope="session")
    def reference(pytestconfig) -> Path:
        folder = root(pytestconfig) / model
        if not folder.is_dir():
            pytest.skip(f"no reference data at {folder.parent}; ASCEND_GUIDES_REFERENCE names another place")
        return folder

    return reference


def recipe_state_of(model: str):
    """Return a fixture: the reference checkpoint that the recipe draws, as numpy arrays by name."""

    @pytest.fixture(scope="session")
    def recipe_state(request):
        folder = request.getfixturevalue("reference")
        spec = importlib.util.spec_from_file_location("recipe", folder.parent / "recipe.py")
        recipe = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(recipe)
        return recipe.state_dict(folder)

    recipe_state.__doc__ = f"The reference checkpoint of {model}."
    return recipe_state
