"""atc_types.py: ATC's names of operators, and lists of them."""

from __future__ import annotations

import json

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.graph.atc_types import ATC_TYPES, problems


@pytest.fixture
def check(tmp_path):
    """Return what is wrong with a list of this text, without its path."""
    path = tmp_path / "ops_info.json"

    def check(text):
        path.write_text(text, encoding="utf-8")
        return [problem.removeprefix(f"{path}: ") for problem in problems(path)]

    return check


def test_means_have_the_name_that_the_efficientdet_guide_lists():
    assert ATC_TYPES["ReduceMean"] == ATC_TYPES["GlobalAveragePool"] == "ReduceMeanD"
    known = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == ""}
    assert set(ATC_TYPES) <= known


@pytest.mark.parametrize(
    "text",
    [
        '{"black-list": {"to-add": ["ReduceMeanD"]}}',
        '{"black-list": {"to-remove": ["Xlog1py"], "to-add": ["MatMulV2", "Cast"]}, "white-list": {"to-add": ["Swish"]}}',
        '{"white-list": {"to-remove": ["Conv2D", "ResizeNearestNeighborV2D", "BNInferenceD", "Conv3D", "PadV3D"]}}',
    ],
)
def test_a_list_of_what_atc_knows_is_taken(check, text):
    assert check(text) == []


def test_all_names_that_are_put_on_a_list_are_known(check):
    names = ", ".join(f'"{name}"' for name in ATC_TYPES.values())
    assert check(f'{{"black-list": {{"to-add": [{names}]}}}}') == []


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        ("Conv", "; did you mean 'Conv2D'?"),
        ("ReduceMeanDD", "; did you mean 'ReduceMeanD'?"),
        ("qqqq", ""),
        ("", ""),
    ],
)
def test_an_operator_that_atc_does_not_have_is_named(check, names, hint):
    assert check(f'{{"black-list": {{"to-add": ["Cast", "{names}"]}}}}') == [
        f"{names!r} is not known here as one of ATC's operator types{hint}"
    ]


@pytest.mark.parametrize("text", ["{}", '{"black-list": {"to-add": []}}'])
def test_a_list_of_nothing_is_refused(check, text):
    assert check(text) == ["names no operator"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "garbage", "[]", '["ReduceMeanD"]', "null", '{"black-list": ["ReduceMeanD"]}', "[" * 10**5),
        *(
            '{"blacklist": {"to-add": ["Cast"]}}',
            '{"black-list": {"add": ["Cast"]}}',
            '{"black-list": {"to-add": [1]}}',
        ),
        *('{"black-list": {"to-add": "Cast"}}'),
    ],
)
def test_another_form_is_refused_with_the_right_one(check, text):
    (problem,) = check(text)
    assert problem.startswith(
        'expected lists of operators in JSON, as in {"black-list": {"to-add": ["ReduceMeanD"]}}: '
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Cast", "Conv2D", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["black-list", "white-list", "to-add", "to-remove"]), inner)
    ),
)


@given(value=VALUES, at=st.integers(0, 40), put=st.text(max_size=2))
def test_any_json_and_any_text_near_it_is_taken_or_refused(check, value, at, put):
    text = json.dumps(value)
    check(text)
    check(text[:at] + put + text[at + 1 :])
