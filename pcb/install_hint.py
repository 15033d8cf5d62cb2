"""What to type where a package is missing: the first import of every script, for it needs nothing but Python itself."""

from __future__ import annotations

import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
WHEEL = "ascend_guides_common-*.whl"


def command(removed: Sequence[str] = ()) -> str:
    """Return the command that installs what this directory needs, in a clone or beside the wheel of `common`.

    It is for the Python that runs this, from the directory where one stands; what is `removed` is uninstalled first.
    """
    library = HERE.parent / "common"
    if not (library / "pyproject.toml").is_file():
        wheels = [*HERE.glob(WHEEL), *HERE.parent.glob(WHEEL)]
        library = max(wheels, key=lambda path: path.name, default=HERE.parent / WHEEL)
    pip = f"{shlex.quote(sys.executable)} -m pip"
    first = f"{pip} uninstall -y {' '.join(removed)} && " if removed else ""
    place, requirements = (os.path.relpath(path) for path in (library.parent, HERE / "requirements.txt"))
    words = f"{first}{pip} install {shlex.quote(place)}/{library.name} -r {shlex.quote(requirements)}"
    if library.name == WHEEL:
        return f"{words} (in a clone of the repository, pip wheel --no-deps ./common makes that wheel)"
    return words


def message(error: ImportError) -> str:
    """Return what to say of an import that failed; nothing where installing would not help."""
    package = (error.name or "").partition(".")[0]
    found = importlib.util.find_spec(package) if package else None
    if package and not found:
        return f"no package {package!r} in {sys.prefix} or {HERE}. Install what is needed there: {command()}"
    if found and package == "common":
        from importlib.metadata import distributions

        place = found.origin or ", ".join(found.submodule_search_locations or ())
        names = (f"{package}.py", package)
        installed = {
            each.name for each in distributions() for file in each.files or () if file.parts[0] in names
        }
        return (
            f"the package 'common' of {place} is not the library that is needed here, or another version of it. "
            f"Install that: {command(sorted(installed))}"
        )
    return ""


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of a package that is missing in one message, of all else as before."""
    text = message(error) if isinstance(error, ImportError) else ""
    if text:
        print(f"error: {text}", file=sys.stderr)
    else:
        _before(kind, error, trace)


if sys.version_info < (3, 10):
    sys.exit(f"error: expected Python 3.10 or later, found {sys.version.split()[0]}, {sys.executable}.")
_before, sys.excepthook = sys.excepthook, _tell
