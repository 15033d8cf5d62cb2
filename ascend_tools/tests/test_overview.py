"""The table over all models: what it shows of a metrics.json, and of one that is not there; nox shows it last."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ascend_tools import overview

AGREED = {
    "model": "faceboxes",
    "weights": "seeded",
    "images": 10,
    "metrics": {"AP": None},
    "published": {"AP": 0.946},
    "agreement": {"verdict": "OK", "metric": {"name": "AP", "value": 1.0}},
    "verdict": "not comparable",
    "images/s": 12.34,
    "seconds": {"infer": 1.0, "total": 7.125},
}
DIFFERS = {
    **AGREED,
    "agreement": {
        "verdict": "FAIL",
        "why": "output 'loc' differs by 3.1",
        "metric": {"name": "AP", "value": 0.5},
    },
}
MEASURED = {**AGREED, "weights": "FaceBoxesProd.pth", "metrics": {"AP": 0.9461}, "verdict": "PASS"}
del MEASURED["agreement"]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return a function that makes model directories with figures, None for none, where one then stands."""

    def make(**figures):
        for name, found in figures.items():
            output = tmp_path / name / "output"
            output.mkdir(parents=True)
            (tmp_path / name / "model.toml").touch()
            if found is not None:
                text = found if isinstance(found, str) else json.dumps(found)
                (output / "metrics.json").write_text(text, encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


def shown(capsys, *words):
    status = overview.main([*words])
    return status, capsys.readouterr().out.splitlines()


def test_models_that_agree(models, capsys):
    models(pcb=AGREED, faceboxes=AGREED)
    status, (heading, first, second, last) = shown(capsys)
    assert heading.split() == [*overview.COLUMNS]
    assert first.split() == [
        *("faceboxes", "seeded", "10", "OK", "AP", "1.0000", "not", "comparable", "12.3", "7.12"),
        "faceboxes/output/metrics.json",
    ]
    assert second.startswith("pcb ")
    assert heading.index("report") == first.index("faceboxes/output") == second.index("pcb/output")
    assert last == "2 models: export and deployment agree with torch: OK"
    assert status == 0


def test_one_that_differs_from_torch_and_one_without_figures_are_failures(models, capsys):
    models(faceboxes=AGREED, pcb=DIFFERS, rfcn=None)
    status, (*lines, why, absent, last) = shown(capsys)
    assert lines[2].split()[3:6] == ["FAIL", "AP", "0.5000"]
    assert lines[3].split() == ["rfcn", "-", "-", "FAIL", *"-----"]
    assert why == "pcb: output 'loc' differs by 3.1"
    assert absent == "rfcn: no figures: evaluate.py did not run, or failed before it had any"
    assert last == "2 of 3 models: FAIL: pcb, rfcn"
    assert status == 1


@pytest.mark.parametrize("found", ["{", "[]", "\x00", "[" * 100_000, "null"])
def test_figures_that_cannot_be_read_are_a_failure(found, models, capsys):
    models(pcb=found)
    status, (*_, why, last) = shown(capsys)
    assert "pcb/output/metrics.json" in why
    assert (status, last) == (1, "1 of 1 model: FAIL: pcb")


@pytest.mark.parametrize("key", [*AGREED])
def test_a_key_that_is_missing_or_of_another_kind_is_a_dash(key, models, capsys):
    models(a={name: value for name, value in AGREED.items() if name != key}, b={**AGREED, key: None})
    status, lines = shown(capsys)
    assert (status, len(lines)) == (0, 4)


def test_figures_on_a_data_set_are_judged_by_their_verdict(models, capsys):
    failed = {**MEASURED, "metrics": {"AP": 0.9}, "verdict": "FAIL"}
    models(a=MEASURED, b=failed)
    status, (_, first, second, why, last) = shown(capsys)
    assert first.split()[1:7] == ["FaceBoxesProd.pth", "10", "-", "AP", "0.9461", "PASS"]
    assert second.split()[6] == "FAIL"
    assert (status, last) == (1, "1 of 2 models: FAIL: b")
    assert why == "b: below the published figure by more than is accepted"
    status, (*_, last) = shown(capsys, "a")
    assert (status, last) == (0, "1 model: none failed; 0 compared with torch")


def test_the_page_is_named_where_there_is_one(models, capsys):
    root = models(a=AGREED)
    for name in ("report.md", "report.html"):
        (root / "a" / "output" / name).touch()
        assert shown(capsys)[1][1].split()[-1] == f"a/output/{name}"


def test_without_a_model_it_is_a_wrong_usage(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        overview.main([])
    assert ended.value.code == 2
    assert "no directory here has a model.toml" in capsys.readouterr().err


def test_it_needs_python_alone(models):
    root = models(a=AGREED)
    source = overview.__file__.rpartition("/ascend_tools/")[0]
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({source!r})\n"]
    command[-1] += "from ascend_tools.overview import main; raise SystemExit(main())"
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("1 model: export and deployment agree with torch: OK\n")
