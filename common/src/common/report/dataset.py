"""Telling a published data set from another one, by what is known of it: how many of what, and how its pictures are named."""

from __future__ import annotations

import re

from common.cli import shorten
from common.facts import Accuracy
from common.report.figures import Figures


def differences(accuracy: Accuracy, figures: Figures) -> tuple[str, ...]:
    """Say in what measured data differ from the published data set: expected and found; nothing if they do not."""
    dataset = accuracy.dataset
    if figures.pictures != accuracy.images:  # the rest follows from that
        return (f"{figures.pictures} of the {accuracy.images} pictures of {dataset}",)
    found = [
        f"{figures.counts.get(what, 0)} {what} where {dataset} has {expected}"
        for what, expected in accuracy.counts.items()
        if figures.counts.get(what, 0) != expected
    ]
    strangers = [name for name in figures.names if accuracy.names and not re.fullmatch(accuracy.names, name)]
    if strangers:
        found.append(
            f"{len(strangers)} pictures with names that {dataset} does not have ({shorten(strangers)})"
        )
    return tuple(found)
