"""infer.py --shard: a part of the inputs at a time."""

from __future__ import annotations

import pytest

from common.engine.shard import Shard
from common.infer import main

FIRST, SECOND = Shard(1, 2), Shard(2, 2)


@pytest.fixture
def words(tmp_path, monkeypatch, make_onnx, make_inputs):
    """The words of a run over a list of eight inputs, of which both parts have some."""
    monkeypatch.chdir(tmp_path)
    stems = list(make_inputs(8))
    assert 0 < sum(stem in FIRST for stem in stems) < 8
    (tmp_path / "list.info").write_text("".join(f"{i} prep/{stem}.bin 6 4\n" for i, stem in enumerate(stems)))
    return ["--model", make_onnx().name, "--input", "list.info"]


def results(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "dumpOutput_device0").iterdir())}


def stems_of(names):
    return {name.rpartition("_")[0] for name in names}


def part(tmp_path, shard):
    return {path.stem for path in (tmp_path / "prep").iterdir() if path.stem in shard}


@pytest.fixture
def whole(tmp_path, words):
    assert main([*words, "--out", "whole"]) == 0
    return results(tmp_path / "whole")


@pytest.mark.parametrize("source", ["list.info", "prep"])
def test_only_its_part_is_run(tmp_path, words, whole, source, capsys):
    capsys.readouterr()
    assert main([*words, "--input", source, "--out", "result", "--shard", "2/2"]) == 0
    found, mine = results(tmp_path / "result"), part(tmp_path, SECOND)
    assert stems_of(found) == mine
    assert found.items() <= whole.items()
    assert capsys.readouterr().out.endswith(f"result/dumpOutput_device0: results of {len(mine)} inputs\n")


@pytest.mark.parametrize("order", [("1/2", "2/2"), ("2/2", "1/2")])
def test_inputs_of_other_parts_may_be_gone_and_the_parts_complete_the_whole(tmp_path, words, whole, order):
    for text in order:
        assert main([*words, "--out", "result", "--shard", text]) == 0
        shard = FIRST if text == "1/2" else SECOND
        for stem in part(tmp_path, shard):
            (tmp_path / "prep" / f"{stem}.bin").unlink()
    assert results(tmp_path / "result") == whole


def test_the_whole_after_a_part_goes_on_with_the_rest(tmp_path, words, whole, capsys):
    assert main([*words, "--out", "result", "--shard", "1/2"]) == 0
    capsys.readouterr()
    assert main([*words, "--out", "result"]) == 0
    done = len(part(tmp_path, FIRST))
    message = f"{done} of 8 inputs already have their results; going on with the rest\n"
    assert message in capsys.readouterr().out
    assert results(tmp_path / "result") == whole


def test_an_empty_part_says_so_and_is_no_error(tmp_path, words, capsys):
    empty = next(k for k in range(1, 100) if not part(tmp_path, Shard(k, 99)))
    assert main([*words, "--out", "result", "--shard", f"{empty}/99"]) == 0
    assert capsys.readouterr().out == (
        f"list.info: none of its inputs belongs to shard {empty}/99; nothing to do\n"
    )
    assert not (tmp_path / "result").exists()
