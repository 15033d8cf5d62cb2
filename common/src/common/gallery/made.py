"""What stored features are made with: rows of another network or of other settings never join them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from common.errors import GuideError

FORMAT = "features 1"


@dataclass(frozen=True)
class Made:
    """The directory that names are relative to, as a whole path, and the settings that tell one run from another.

    Of the settings, `network` is the identity of a backend, see `common.backends.base.Backend`.
    """

    directory: str
    settings: Mapping[str, str]

    def check(self, path: Path, settings: Mapping[str, str]) -> None:
        """Refuse to go on with a file under other settings than its own."""
        names = sorted({*self.settings, *settings})
        others = [
            f"{name} is {settings.get(name, 'none')!r}, there {self.settings.get(name, 'none')!r}"
            for name in names
            if settings.get(name) != self.settings.get(name)
        ]
        if others:
            raise GuideError(
                f"{path}: holds features that were made in another way: {'; '.join(others)}. Go on as it was begun, "
                "or choose another --out."
            )

    def text(self) -> str:
        """Return it as JSON, ASCII in one line."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)


def parse(text: str | bytes, where: Path) -> Made:
    """Return what `Made.text` wrote; `where` is what an error names."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise GuideError(f"{where}: does not say what its features are made with, as embed.py writes it.")
    directory, settings = found.get("directory"), found.get("settings")
    if (
        not isinstance(directory, str)
        or not isinstance(settings, dict)
        or not all(isinstance(value, str) for value in settings.values())
    ):
        raise GuideError(f"{where}: what it says of its features is damaged; make it again with embed.py.")
    return Made(directory, settings)
