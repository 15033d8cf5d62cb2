"""model_toml.py: a valid file is taken as written, and every mistake is named with its key."""

from __future__ import annotations

import pytest

from common.errors import GuideError
from common.facts import Ratio, Run, read_facts
from tests.conftest import refused

BYTES, SHA256, PICTURES = "bytes = 1000\n", 'sha256 = "00"\n', 'holds = "pictures"'


def test_a_valid_file_is_taken_as_written(write_model):
    model = read_facts(write_model())
    assert (model.name, model.opset, model.checkpoint.bytes) == ("tiny", 11, 1000)
    assert model.checkpoint.urls == ("https://example.org/tiny.pth",)
    assert [tensor.name for tensor in model.outputs] == ["scaled", "sums"]
    assert model.inputs[0].shape == ("N", 3, 4, 6)
    assert model.inputs[0].image_shape == (3, 4, 6)
    assert (model.outputs[0].tolerance, model.outputs[1].tolerance) == (1e-4, None)
    assert list(model.atc.options.items()) == [("enable_small_channel", 1), ("insert_op_conf", "aipp.config")]
    throughput = model.throughput
    assert throughput.cards == {
        "310": {1: 400, 4: 600},
        "310P": {1: 700, 4: 1500},
        "T4": {1: 250, 4: 500},
    }
    assert all(isinstance(size, int) for size in throughput.cards["310"])
    assert (throughput.chips, throughput.batch_ms) == ({"310": {1: 100}}, {"T4": {1: 4}})
    assert throughput.runs == {"T4": Run(pictures=1000, seconds=4)}
    first, second = throughput.ratios
    assert first == Ratio(of="310P", to="310", printed={1: 1.75, 4: 2.5}, best=2.5, accepted=1.2)
    assert second == Ratio(of="310P", to="T4", accepted=1.6)


def test_optional_keys_have_defaults_and_options_keep_their_order(write_model):
    options = '[atc.options]\nenable_small_channel = 1\ninsert_op_conf = "aipp.config"\n'
    atc = read_facts(write_model(("name_out_nodes = true\n", ""), (options, ""))).atc
    assert (atc.name_out_nodes, atc.options, atc.onnx) == (False, {}, None)
    named = read_facts(write_model(("name_out_nodes", 'onnx = "tiny_atc.onnx"\nname_out_nodes'))).atc
    assert named.onnx == "tiny_atc.onnx"
    turned = '[atc.options]\nzeta = 1\nalpha = "x"\n'
    assert list(read_facts(write_model((options, turned))).atc.options) == ["zeta", "alpha"]


@pytest.mark.parametrize(
    ("replacements", "facts", "identity"),
    [
        ([], (1000, "00", None), "bytes 1000, sha256 00"),
        ([(BYTES, "")], (None, "00", None), "sha256 00"),
        ([(SHA256, 'md5 = "11"\n')], (1000, None, "11"), "bytes 1000, md5 11"),
        ([(SHA256, f'md5 = "11"\n{SHA256}')], (1000, "00", "11"), "bytes 1000, sha256 00, md5 11"),
        ([(BYTES, "bytes = 0\n"), (SHA256, "")], (0, None, None), "bytes 0"),
        ([(BYTES, ""), (SHA256, "")], (None, None, None), ""),
    ],
)
def test_what_is_published_of_a_checkpoint_is_told_in_words(write_model, replacements, facts, identity):
    checkpoint = read_facts(write_model(*replacements)).checkpoint
    assert (checkpoint.bytes, checkpoint.sha256, checkpoint.md5) == facts
    assert checkpoint.identity == identity


def test_the_range_of_an_input_is_two_numbers_or_unknown(write_model):
    assert read_facts(write_model()).inputs[0].range is None
    ranged = write_model((PICTURES, f"{PICTURES}\nrange = [-3, 7.5]"))
    assert read_facts(ranged).inputs[0].range == (-3.0, 7.5)


CHANNEL, URLS = "enable_small_channel = 1", '["https://example.org/tiny.pth"]'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # unknown keys, with the nearest known one
        (
            "accepted_drop",
            "acceptd_drop",
            "[accuracy] unknown key 'acceptd_drop'; did you mean 'accepted_drop'?",
        ),
        ("title =", "titel =", "unknown key 'titel'; did you mean 'title'?"),
        ("tolerance =", "tolerence =", "[outputs[0]] unknown key 'tolerence'; did you mean 'tolerance'?"),
        ("[checkpoint]", "[througput]\n[checkpoint]", "unknown key 'througput'; did you mean 'throughput'?"),
        ("[throughput.cards]", "[throughput.card]", "[throughput] unknown key 'card'; did you mean 'cards'?"),
        (
            "accepted = 1.2",
            "acepted = 1.2",
            "[throughput.ratios[0]] unknown key 'acepted'; did you mean 'accepted'?",
        ),
        ('name = "tiny"', 'qqq = 1\nname = "tiny"', "unknown key 'qqq'"),
        # missing keys
        ("accepted_drop = 0.01", "", "[accuracy] missing key 'accepted_drop'"),
        ('licence = "MIT"\n', "", "[checkpoint] missing key 'licence'"),
        ('name = "sums"\n', "", "[outputs[1]] missing key 'name'"),
        ("opset = 11", "", "missing key 'opset'"),
        # values of another type: nothing is converted
        ("bytes = 1000", 'bytes = "1000"', "[checkpoint.bytes] expected 'int | null', got 'str'"),
        ('sha256 = "00"', "md5 = 0", "[checkpoint.md5] expected 'str | null', got 'int'"),
        (PICTURES, f"{PICTURES}\nrange = [1]", "[inputs[0].range] expected 'array' of length 2"),
        (PICTURES, f"{PICTURES}\nrange = 1", "[inputs[0].range] expected 'array | null', got 'int'"),
        (PICTURES, f"{PICTURES}\nrange = [0, '1']", "[inputs[0].range[1]] expected 'float', got 'str'"),
        ("opset = 11", "opset = 11.0", "[opset] expected 'int', got 'float'"),
        ("AP = 0.8", 'AP = "0.8"', "[accuracy.published[...]] expected 'float', got 'str'"),
        ('"NONE"', "7", "[accuracy.dataset] expected 'str', got 'int'"),
        ("= true", "= 1", "[atc.name_out_nodes] expected 'bool', got 'int'"),
        ("name_out_nodes", "onnx = 1\nname_out_nodes", "[atc.onnx] expected 'str | null', got 'int'"),
        (URLS, '"x"', "[checkpoint.urls] expected 'array', got 'str'"),
        (URLS, "[1]", "[checkpoint.urls[0]] expected 'str', got 'int'"),
        ("1 = 400", '1 = "fast"', "[throughput.cards[...][...]] expected 'float', got 'str'"),
        ("1 = 400", "1 = 0", "[throughput.cards[...][...]] expected 'float' >= 1e-09"),
        ("1 = 400", "1 = nan", "[throughput.cards[...][...]] expected 'float' >= 1e-09"),
        ("1 = 400", "1 = inf", "[throughput.cards[...][...]] expected 'float' <= 1000000000000.0"),
        ("1 = 400", "1 = 1e400", "[throughput.cards[...][...]] expected 'float' <= 1000000000000.0"),
        (
            "accepted = 1.2",
            "accepted = inf",
            "[throughput.ratios[0].accepted] expected 'float' <= 1000000000000.0",
        ),
        ("1 = 400", "0 = 400", "[throughput.cards[...]"),
        ("1 = 400, 4 = 600", "", "[throughput] expected figures, found none for ['310']"),
        ('of = "310P"', 'of = "310"', "[throughput.ratios[0]] expected two columns, found '310' twice"),
        (
            'of = "310P"',
            'of = "910"',
            "[throughput] expected a device of ['310', '310P', 'T4'], found ['910']",
        ),
        (
            "T4 = { 1 = 4 }",
            "T5 = { 1 = 4 }",
            "[throughput] expected a device of ['310', '310P', 'T4'], found ['T5']",
        ),
        (
            "T4 = { 1 = 4 }",
            "T4 = { 2 = 4 }",
            "[throughput] expected batch sizes of the table, found 2 of 'T4'",
        ),
        ("pictures = 1000", "pictures = 0", "[throughput.runs[...].pictures] expected 'int' >= 1"),
        (CHANNEL, "enable_small_channel = true", "[atc.options[...]] expected 'int | str'"),
        ('"N", 3, 4, 6', '"N", 3, 4, 6.5', "[inputs[0].shape[3]] expected 'int | str', got 'float'"),
        ("1 = 400", "one = 400", "[throughput"),
    ],
)
def test_a_mistake_is_named_with_its_section_and_key(write_model, old, new, message):
    folder = write_model((old, new))
    with pytest.raises(GuideError) as error:
        read_facts(folder)
    assert str(error.value).startswith(f"{folder / 'model.toml'}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'name = "tiny', "not valid TOML: "),
        (b"name = 1\nname = 2\n", "not valid TOML: "),
        (b'name = "\xff"', "not a text file in UTF-8."),
        (b"x = " + 5000 * b"[", "not valid TOML: "),
        (None, "no such file. Run this command inside a model directory."),
    ],
)
def test_what_is_not_toml_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "model.toml").write_bytes(content)
    with refused(f"{tmp_path / 'model.toml'}: {message}", whole=False):
        read_facts(tmp_path)
