"""CHANGELOG.md has the form of Keep a Changelog, and the version that `--version` shows."""

from __future__ import annotations

import re

from tests.conftest import ROOT

SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
TEXT = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def version_of(distribution):
    text = (ROOT / distribution / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^version = "(.+)"$', text, re.MULTILINE)[1]


def test_it_begins_with_what_is_not_released_and_then_the_version_of_both_libraries():
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    releases = [
        re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", heading) for heading in headings[1:]
    ]
    assert all(releases)
    assert releases[0][1] == version_of("common") == version_of("ascend_tools")
    assert sorted((release[2] for release in releases), reverse=True) == [release[2] for release in releases]


def test_each_version_has_its_kinds_of_change_once_and_in_order():
    for part in TEXT.split("\n## ")[1:]:
        kinds = re.findall(r"^### (.+)$", part, re.MULTILINE)
        assert kinds == [kind for kind in SECTIONS if kind in kinds]
        assert kinds
