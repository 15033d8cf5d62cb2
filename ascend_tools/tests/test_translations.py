"""Every README.md has a README.zh-CN.md that says the same: commands, headings, tables, figures, names and links.

Both are read as blocks: a fenced block, a heading, a row of a table, a paragraph. What needs no translation has to be equal
in each block of the pair, so that a change of one page alone is found where it was made.
"""

from __future__ import annotations

import re
from calendar import month_name
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import pytest

from ascend_tools.testing.pages import anchors
from tests.conftest import ROOT

READMES = sorted(
    path for glob in ("README.md", "[!.]*/README.md", "*/patches/README.md") for path in ROOT.glob(glob)
)
TRANSLATION = "README.zh-CN.md"
ENGLISH, CHINESE = f"English | [简体中文]({TRANSLATION})", "[English](README.md) | 简体中文"
FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
PROSE = re.compile(r"^#+ .*$|^\|.*$|(?:^(?!#+ |\|).+\n?)+", re.MULTILINE)
BAR = re.compile(r"(?<!\\)\|")
CODE = re.compile(r"`[^`]+`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
MONTH = re.compile(rf"({'|'.join(month_name[1:])})(?= \d)")  # in Chinese a figure
# Words in a row that are no name of something: nobody has translated them.
UNTRANSLATED = re.compile(r"(?:\b[A-Za-z][a-z']*\b[ ,;:]+){7}")


class Block(NamedTuple):
    """A part of a page: what it is, and what a translation of it must keep, with how often it stands there."""

    kind: str
    kept: Counter[str]
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page; the first line, which names the languages, is none of them."""
    text = page.read_text(encoding="utf-8").partition("\n")[2]
    for part in FENCE.split(text):
        if part.startswith("```"):
            yield Block("fenced block", Counter([part]), part)
        else:
            yield from prose(part, page)


def prose(text: str, page: Path) -> Iterator[Block]:
    """Yield headings, rows and paragraphs, with the code spans, link targets and figures of each."""
    for found in PROSE.findall(text):
        block = " ".join(found.split())
        kind = "paragraph"
        if block.startswith("#"):
            kind = f"heading of level {len(block) - len(block.lstrip('#'))}"
        elif block.startswith("|"):
            kind = f"row of {len(BAR.split(block)) - 2} cells"
        plain = LINK.sub("]", CODE.sub("", block))
        plain = MONTH.sub(lambda match: str([*month_name].index(match[1])), plain)
        kept = [
            *CODE.findall(block),
            *(target(link, page) for link in LINK.findall(block)),
            *NUMBER.findall(plain),
        ]
        if re.fullmatch(r"[|:\- ]+", block):
            kept.append(block.replace(" ", ""))
        yield Block(kind, Counter(kept), plain)


def target(link: str, page: Path) -> str:
    """Return where a link leads, equal for both languages: a heading of a README by its number on the page."""
    path, _, anchor = link.partition("#")
    there = page.parent / path if path else page
    if re.match(r"\w+:", link) or there.name not in ("README.md", TRANSLATION):
        return link
    if there.name != page.name:
        return f"{link} leaves the language"
    names = anchors(there.read_text(encoding="utf-8"))
    place = names.index(anchor) if anchor in names else f"no #{anchor}"
    return f"({path.replace(TRANSLATION, 'README.md')} heading {place if anchor else '-'})"


def differences(english: Path) -> Iterator[str]:
    """Yield what a README and its translation do not have in common, and what is left in English."""
    chinese = english.with_name(TRANSLATION)
    if not chinese.is_file():
        yield f"no {TRANSLATION}"
        return
    for page, line in ((english, ENGLISH), (chinese, CHINESE)):
        if not page.read_text(encoding="utf-8").startswith(f"{line}\n\n# "):
            yield f"{page.name} does not begin with {line}"
    for number, (ours, theirs) in enumerate(zip_longest(blocks(english), blocks(chinese)), 1):
        if ours is None or theirs is None or ours.kind != theirs.kind:
            yield f"block {number}: {ours} and {theirs}"
            return  # what follows is out of step
        if ours.kept != theirs.kept:
            yield f"block {number}, {ours.text[:70]!r}: {dict(ours.kept - theirs.kept)}, {dict(theirs.kept - ours.kept)}"
        if theirs.kind != "fenced block" and UNTRANSLATED.search(re.sub(r"\[[^]]*\]", "", theirs.text)):
            yield f"block {number}: not translated, {theirs.text[:70]!r}"


@pytest.mark.parametrize("english", READMES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_readme_and_its_translation_say_the_same(english):
    assert list(differences(english)) == []


@pytest.mark.parametrize("english", READMES, ids=lambda page: str(page.relative_to(ROOT)))
def test_bold_words_of_a_translation_are_bold(english):
    """Between a full stop and a Chinese character two asterisks stay what they are."""
    text = CODE.sub("`", FENCE.sub("", english.with_name(TRANSLATION).read_text(encoding="utf-8")))
    parts = text.split("**")
    assert len(parts) % 2 == 1
    assert [part for part in parts[1::2] if not re.fullmatch(r"\w(.*\w)?", part)] == []


PAGE = """English | [简体中文](README.zh-CN.md)

# A network

Run 2 of `a` and see [the end](#2-end), or [how](https://example.org/a).

```sh
python a.py
```

| batch | images/s |
| ----: | -------: |
| 1 | 744.192 |

## 2 End
"""
TRANSLATED = """[English](README.md) | 简体中文

# 网络

运行 `a` 的 2、见[结尾](#2-结尾)、或[方法](https://example.org/a)。

```sh
python a.py
```

| batch | 每秒图片数 |
| ----: | -------: |
| 1 | 744.192 |

## 2 结尾
"""


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("", "", None),
        ("[English](README.md)", "English", "does not begin with"),
        ("python a.py", "python b.py", "python a.py"),
        ("744.192", "744.129", "{'744.192': 1}, {'744.129': 1}"),
        ("`a`", "`b`", "{'`a`': 1}, {'`b`': 1}"),
        ("的 2、", "的 3、", "{'2': 1}, {'3': 1}"),
        ("#2-结尾", "#网络", "heading 1"),
        ("#2-结尾", "#2-end", "no #2-end"),
        ("#2-结尾", "README.md#2-end", "leaves the language"),
        ("example.org/a", "example.org/b", "example.org/a"),
        ("## 2 结尾", "### 2 结尾", "heading of level 3"),
        ("## 2 结尾\n", "", "None"),
        ("| 1 | 744.192 |", "| 1 | 744.192 | |", "row of 3 cells"),
        ("----: | -------:", "---- | -------:", "|----:|-------:|"),
        ("见[结尾]", "and who reads this has to read some English, too [结尾]", "not translated"),
    ],
)
def test_what_differs_is_found(tmp_path, old, new, found):
    assert not old or TRANSLATED.count(old) == 1
    (tmp_path / "README.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / TRANSLATION).write_text(TRANSLATED.replace(old, new), encoding="utf-8")
    reported = "\n".join(differences(tmp_path / "README.md"))
    assert found in reported if found else not reported


def test_a_readme_without_a_translation_is_found(tmp_path):
    (tmp_path / "README.md").write_text(PAGE, encoding="utf-8")
    assert list(differences(tmp_path / "README.md")) == ["no README.zh-CN.md"]
