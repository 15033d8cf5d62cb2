"""Every code of ATC that the rehearsal makes on request, and the words with which a user is told what to do."""

from __future__ import annotations

import pytest

from ascend_tools.rehearse.atc_codes import CODES
from tests.test_pains_atc import here, refused, run

__all__ = ["here", "refused", "run"]
TOLD = {
    "E10001": "set_env.sh",
    "E10002": "--input_shape has to have the form name:n,c,h,w",
    "E10003": "not one that ATC takes",
    "E10004": "has no value",
    "E10005": "true or false",
    "E10006": "0 or 1",
    "E10007": "ONNX is --framework=5",
    "E10008": "ONNX is --framework=5",
    "E10009": "at most",
    "E10010": "debug, info, warning, error or null",
    "E10011": "have to be positive",
    "E10012": "-1 in --input_shape",
    "E10013": "out of the option's range",
    "E10014": "not one that ATC takes",
    "E10016": "have to name what is in the graph",
    "E10018": "only the first dimension can be -1",
    "E10019": "only height and width can be -1",
    "E10020": "height,width;height2,width2",
    "E10021": "shorter path",
    "E10022": "a path with a file name, without .om",
    "E10031": "-1 in --input_shape",
    "E10034": "take it out of --input_fp16_nodes",
    "E10035": "two sizes or more",
    "E10036": "at most 100 sizes",
    "E10037": "as many sizes in each group",
    "E10038": "have to be positive",
    "E10039": "each size once",
    "E10040": "-1 in --input_shape",
    "E10041": "above 2 GB",
    "E10045": "as many sizes as --input_shape has -1",
    "E10046": "as many sizes as --input_shape has -1",
    "E10047": "Leave one of the two options out",
    "E10049": "more or fewer dimensions than the input",
    "E10050": "outside the range",
    "E10052": "Compare the AIPP file with the model",
    "E10054": "in quotes",
    "E10056": "Leave one of the two options out",
    "E10057": "belong together",
    "E10410": "--keep_dtype or --compress_weight_conf",
    "E10501": "ASCEND_OPP_PATH",
    "E16005": "ai.onnx.ml",
    "E19010": "export it in an older one",
    "E19025": "inconsistent",
    "E19999": "what it says first is seldom the cause",
    "E30006": "operator package (opp) is damaged",
    "E40000": "CANN's own",
    "E40021": "could not be compiled",
    "EC0010": "pip install decorator",
    "EE9999": "what it says first is seldom the cause",
    "EL003": "HwHiAiUser",
    "EZ0501": "ASCEND_OPP_PATH",
    "EZ3002": "Replace the operator",
    "EZ3003": "precision_mode=must_keep_origin_dtype",
    "EZ9010": "export it in an older one",
    "EZ9999": "what it says first is seldom the cause",
}


def test_every_code_that_is_simulated_has_words():
    assert set(TOLD) == set(CODES)


@pytest.mark.parametrize("code", TOLD)
def test_a_code_is_told_with_what_to_do(code, here, refused):
    here(f"atc:{code}")
    message = refused()
    assert f"{code}: " in message
    assert TOLD[code] in message
