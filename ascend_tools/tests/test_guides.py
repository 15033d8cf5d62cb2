"""Every line of the vendor's guides has its place in the README of its model, and what is said to work is accepted.

The guides are not part of the repository; they lie beside the reference data, and without them most of this is skipped.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import pytest

from ascend_tools.rehearse.readme import METAVARIABLE
from ascend_tools.testing.commands import call
from ascend_tools.testing.guides import findings, other_links, quoted, read_guide, read_rows, same_commands
from ascend_tools.testing.pages import anchors
from ascend_tools.testing.reference import root
from common import evaluation
from common.errors import GuideError
from common.export import download
from tests.conftest import DIRECTORIES, ROOT

PAGES = sorted(path for glob in ("*.md", "*/README*.md", "*/patches/README*.md") for path in ROOT.glob(glob))
MODELS = [path.name for path in DIRECTORIES]
PYTHON = ("python", "python3.7", "python3")
VENDORS = ("ais_infer.py", "onnxsim")  # scripts and modules of others


@pytest.fixture(scope="session")
def guides(pytestconfig):
    folder = root(pytestconfig).parent / "guides"
    if not folder.is_dir():
        pytest.skip(
            f"no guides at {folder}; they lie beside the directory that ASCEND_GUIDES_REFERENCE names"
        )
    return folder


@pytest.fixture
def copy(request, tmp_path, monkeypatch):
    """A model directory as it is in a new clone, nothing fetched and nothing made in it yet."""
    model = request.getfixturevalue("model")
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    done = subprocess.run(words, cwd=ROOT / model, capture_output=True, text=True, check=False)
    names = [name for name in filter(None, done.stdout.split("\0")) if (ROOT / model / name).is_file()]
    if not names:
        pytest.skip("git has no list of what belongs to the repository")
    for name in names:
        (tmp_path / model / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / model / name, tmp_path / model / name)
    monkeypatch.syspath_prepend(tmp_path / model)
    yield tmp_path / model
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(f"{tmp_path}/"):
            del sys.modules[name]


@pytest.fixture
def refused(copy, capsys, monkeypatch, nothing_on_path):
    """Return which of the given commands are refused as wrong usage there; nothing is downloaded or exported."""

    def stop(*_, **__):
        raise GuideError("not here")

    def refused(commands):
        monkeypatch.setattr(download, "fetch", stop)
        monkeypatch.setattr(evaluation, "subject", stop)
        for command in commands:
            words = shlex.split(command)
            if words[0] == "sh" and not (copy / words[1]).is_file():
                yield command
            if words[0] not in PYTHON:
                continue
            script, *rest = words[2:] if words[1] == "-m" else words[1:]
            script = script.removeprefix("./")
            if script in VENDORS:
                continue
            there = (copy / script).is_file() or not script.endswith(".py")
            if not there or call(copy, script, *rest, capsys=capsys, monkeypatch=monkeypatch).returncode == 2:
                yield command

    return lambda commands: list(refused(commands))


@pytest.mark.parametrize("model", MODELS)
def test_every_section_and_command_of_a_guide_has_a_row_in_the_readme(model, guides):
    guide = read_guide(guides / f"{model}.md")
    assert list(findings(guide, read_rows(ROOT / model / "README.md"))) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_readme_has_the_sections_of_its_guide(model, guides):
    text = (ROOT / model / "README.md").read_text(encoding="utf-8")
    there = re.findall(r"^#{2,3} (\d+(?:\.\d+)*) ", text, re.MULTILINE)
    assert [name for name in read_guide(guides / f"{model}.md").sections if name not in there] == []


@pytest.mark.parametrize("model", MODELS)
def test_every_link_of_a_guide_has_its_place(model, guides):
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in (f"{model}/README.md", "NPU.md")]
    assert other_links(read_guide(guides / f"{model}.md"), *texts) == []


@pytest.mark.parametrize("model", MODELS)
def test_the_guides_lines_that_are_said_to_work_are_accepted(model, guides, refused):
    rows = read_rows(ROOT / model / "README.md")
    assert refused(same_commands(read_guide(guides / f"{model}.md"), rows)) == []


@pytest.mark.parametrize("model", MODELS)
def test_what_a_readme_says_to_type_instead_is_accepted(model, refused):
    spans = [
        span for row in read_rows(ROOT / model / "README.md") for span in quoted(row.here) if " " in span
    ]
    assert refused(span for span in spans if not METAVARIABLE.search(span) and not span.endswith("...")) == []


def test_headings_are_named_as_links_have_them():
    text = "# A's `b`\n```sh\n# no\n```\n### 5.1 [ais_infer](https://example.org)\n## A's b\n## 6 精度、OM\n"
    assert anchors(text) == ["as-b", "51-ais_infer", "as-b-1", "6-精度om"]


@pytest.mark.parametrize(
    "page",
    PAGES,
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_within_the_repository_lead_somewhere(page):
    for target in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), target


GUIDE = """# Guide
- [1 Model](#1-model)
\t- [1.1 Paper](#11-paper)
## 1 Model
### 1.1 Paper
[paper](https://example.org/a.pdf), obs://bucket/b.om
### 1.2 Numbers
```
python = 3.7.5
```
## 2 Steps
   1. In a list
   ```shell
   python3.7  get_info.py bin \\
     DIR    # a comment
   rm -rf ./out && mkdir out
   ```
    ./tool -a=1
## 3 End
"""
README = """# Model
## The guide, line by line

| section | the guide | here |
|---|---|---|
| 1.1, 1.2 | links | the same |
| 2 | `python3.7 get_info.py ...`, `rm -rf ./out && mkdir out` | The same, or `python a.py` |
| 2.1 | `./tool -a=1` | not needed |
| 3 | | not \\| needed |
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that writes the guide and a README and reads both."""

    def written(readme):
        (tmp_path / "guide.md").write_text(GUIDE, encoding="utf-8")
        (tmp_path / "README.md").write_text(readme, encoding="utf-8")
        return read_guide(tmp_path / "guide.md"), read_rows(tmp_path / "README.md")

    return written


def test_a_guide_is_read(written):
    guide, rows = written(README)
    assert guide.sections == ["1.1", "1.2", "2", "3"]
    commands = ["python3.7 get_info.py bin DIR", "rm -rf ./out && mkdir out", "./tool -a=1"]
    assert [line.text for line in guide.commands] == commands
    assert {line.section for line in guide.commands} == {"2"}
    assert guide.links == ["https://example.org/a.pdf", "obs://bucket/b.om"]
    assert list(findings(guide, rows)) == []
    assert same_commands(guide, rows) == commands[:2]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("| 3 |", "| 4 |", "section 3 of the guide has no row"),
        ("| 1.1, 1.2 |", "| 1.1 |", "section 1.2 of the guide has no row"),
        ("&& mkdir out", "...", None),
        ("`./tool -a=1`", "", "section 2: no row quotes `./tool -a=1`"),
        ("`./tool -a=1`", "`./tool`", "section 2: no row quotes `./tool -a=1`"),
        ("| 2.1 |", "| 3 |", "section 2: no row quotes `./tool -a=1`"),
        ("| links |", "| `link` |", "section 1.1: the guide does not say `link`"),
    ],
)
def test_a_gap_in_a_table_is_found(written, old, new, found):
    assert README.count(old) == 1
    assert list(findings(*written(README.replace(old, new)))) == ([found] if found else [])


def test_a_link_without_a_place_is_found(written):
    assert other_links(written(README)[0], "see https://example.org/a.pdf") == ["obs://bucket/b.om"]


@pytest.mark.parametrize("model", MODELS[:1])
def test_a_command_that_is_refused_is_found(model, refused):
    bad = ["python3.7 get_info.py bin ./prep --no-such-option", "python ./absent.py", "sh absent.sh"]
    bad += ["python -m common.infer --no-such-option"]
    good = [
        "python3.7 get_info.py bin ./prep prep.info 1024 1024",
        "python pth2onnx.py",
        "python evaluate.py",
    ]
    good += ["python3.7 ais_infer.py --model a", "python3.7 -m onnxsim a b", "./benchmark -a=1"]
    assert refused([*good, *bad]) == bad
