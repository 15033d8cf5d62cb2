"""A Markdown page as its readers see it: the names of its headings."""

from __future__ import annotations

import re

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def anchors(text: str) -> list[str]:
    """Return the names of a Markdown text's headings, in their order, as links to them have them on GitHub."""
    names: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        names.append(re.sub(r"[^\w -]", "", shown.lower()).replace(" ", "-"))
    return [f"{name}-{names[:k].count(name)}".removesuffix("-0") for k, name in enumerate(names)]
