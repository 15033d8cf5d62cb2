"""export.py: an ONNX file that agrees with torch, or none; the arguments of a pth2onnx.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the export needs torch")

from common import cli  # noqa: E402
from common.backends.deployed import open_model  # noqa: E402
from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.export.onnx_file import add_arguments, export, random_inputs, write_onnx  # noqa: E402
from common.facts import read_facts  # noqa: E402
from common.graph.outline import describe  # noqa: E402
from tests.conftest import wrong_usage  # noqa: E402

RANGE = ('holds = "pictures"', 'holds = "pictures"\nrange = [-3, 7.5]')
TOLERANCE = ('holds = "the sum of each channel"', 'holds = "the sum of each channel"\ntolerance = 1e-3')


class Tiny(torch.nn.Module):
    """Nx3x4x6 to twice the input plus a bias, Nx3x4x6, and the sums of the channels, Nx3."""

    def __init__(self, bias=0.5):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.tensor(bias))

    def forward(self, x):
        return 2 * x + self.bias, x.sum((2, 3))


class Different(Tiny):
    """Gives something else when it is exported."""

    def forward(self, x):
        scaled, sums = super().forward(x)
        return scaled, sums + (0.25 if torch.onnx.is_in_onnx_export() else 0)


class Mixing(Tiny):
    """Lets one image of a batch change what the others give."""

    def forward(self, x):
        scaled, sums = super().forward(x)
        return scaled - x.mean(0, keepdim=True), sums


@pytest.fixture
def model(write_model):
    return read_facts(write_model(RANGE, TOLERANCE))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "tiny.onnx"


def refusal(network, model, out, **options):
    with pytest.raises(GuideError) as error:
        export(network.eval(), model, out, **options)
    assert not list(out.parent.iterdir())
    return str(error.value)


@pytest.mark.parametrize(("batch_size", "batch", "opset"), [(None, "-1", 11), (1, 1, 13), (5, 5, 17)])
def test_the_export_has_the_names_shapes_and_batch_asked_for_and_gives_what_torch_gives(
    model, out, batch_size, batch, opset, capsys
):
    network = Tiny().eval()
    export(network, model, out, batch_size, opset=opset)
    graph = describe(onnx.load(out))
    assert graph.opset == opset
    assert [(v.name, v.dtype, v.shape) for v in graph.inputs] == [("image", "float32", (batch, 3, 4, 6))]
    assert [(v.name, v.shape) for v in graph.outputs] == [("scaled", (batch, 3, 4, 6)), ("sums", (batch, 3))]
    assert [path.name for path in out.parent.iterdir()] == ["tiny.onnx"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3] == f"compared with torch on {max(batch_size or 0, 3)} random inputs:"
    assert [line.split(":")[0] for line in lines[-2:]] == ["  scaled", "  sums"]
    with open_model(out) as deployed:
        for count in [batch_size] if batch_size else [1, 2, 7]:
            images = np.random.default_rng(count).random((count, 3, 4, 6), np.float32)
            outputs = deployed.run({"image": images})
            for found, wanted in zip(outputs, run_torch(network, images), strict=True):
                np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


def test_an_opset_that_torch_does_not_write_is_not_kept(model, out, monkeypatch):
    monkeypatch.setattr("common.export.onnx_file.describe", lambda graph: SimpleNamespace(opset=9))
    assert refusal(Tiny(), model, out) == (
        "asked torch for opset 11, but it wrote 9; try another version of torch."
    )


@pytest.mark.parametrize(("opset", "dynamic"), [(11, False), (16, True)])
def test_a_network_is_written_with_these_names_as_it_runs_on_the_images(tmp_path, opset, dynamic):
    images = np.zeros((2, 3, 4, 6), np.float32)
    path = tmp_path / "a.onnx"
    write_onnx(Tiny().eval(), images, ["x"], ["y", "z"], path, opset=opset, dynamic_batch=dynamic)
    graph = describe(onnx.load(path))
    assert graph.opset == opset
    batch = "-1" if dynamic else 2
    assert [(v.name, v.shape) for v in graph.inputs] == [("x", (batch, 3, 4, 6))]
    assert [(v.name, v.shape[0]) for v in graph.outputs] == [("y", batch), ("z", batch)]


def test_an_export_that_differs_from_torch_is_not_kept_and_leaves_the_older_file(model, out, capsys):
    message = "output 'sums' differs from torch by 2.50e-01, more than 3.2e-02. The export is not kept."
    assert refusal(Different(), model, out) == message
    assert (
        "  sums: largest difference 2.50e-01, accepted 3.2e-02; from item to item it changes by "
        in capsys.readouterr().out
    )
    out.write_bytes(b"older")
    with pytest.raises(GuideError, match="The export is not kept"):
        export(Different().eval(), model, out)
    assert out.read_bytes() == b"older"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_not_kept(model, out, value):
    assert refusal(Tiny(value), model, out) == "output 'scaled' holds values that are not finite."


def test_a_batch_whose_images_change_each_other_is_not_kept(model, out):
    assert refusal(Mixing(), model, out).startswith("output 'scaled' differs from torch by ")
    export(Mixing().eval(), model, out, batch_size=1)


def test_a_model_without_a_range_cannot_be_compared(write_model, out):
    model = read_facts(write_model(TOLERANCE))
    with pytest.raises(GuideError, match="input 'image' has no range to draw random values from"):
        export(Tiny().eval(), model, out)
    assert not out.parent.exists()


@given(low=st.integers(-200, 200), width=st.integers(1, 300), count=st.integers(1, 4))
def test_random_inputs_fill_the_range_and_are_the_same_every_time(write_model, low, width, count):
    model = read_facts(write_model((RANGE[0], f"{RANGE[0]}\nrange = [{low}, {low + width}]")))
    images = random_inputs(model, count)
    assert (images.dtype, images.shape) == (np.float32, (count, 3, 4, 6))
    assert low <= images.min() < low + width / 4
    assert low + 3 * width / 4 < images.max() <= low + width
    np.testing.assert_array_equal(images, random_inputs(model, count))


def parse(model, *words, **aliases):
    arguments = cli.parser("Export.")
    add_arguments(arguments, model, **aliases)
    return vars(arguments.parse_args(words))


def help_of(model, capsys, **options):
    with pytest.raises(SystemExit):
        parse(model, "--help", **options)
    return " ".join(capsys.readouterr().out.split())


def test_without_arguments_the_models_own_are_taken(model, capsys):
    assert parse(model) == {
        "checkpoint": None,
        "out": Path("tiny.onnx"),
        "batch_size": None,
        "opset": 11,
        "sha256": None,
    }
    printed = help_of(model, capsys)
    for words in (
        "tiny.pth in weights/, in model/ or beside this script",
        "default: tiny.onnx",
        "default: 11, which ATC",
    ):
        assert words in printed


def test_a_network_of_one_image_has_no_batch_size_and_its_own_opsets(model, capsys):
    few = {"batch_size": None, "opsets": range(11, 13)}
    found = parse(model, "--opset", "12", **few)
    assert found == {"checkpoint": None, "out": Path("tiny.onnx"), "opset": 12, "sha256": None}
    for words in (["--opset", "13"], ["--batch-size", "1"]):
        with wrong_usage(capsys, words[0]):
            parse(model, *words, **few)
    printed = help_of(model, capsys, **few)
    assert "The ONNX operator set, 11 to 12 (default: 11, which ATC of CANN 5.1 reads)" in printed
    assert "batch" not in printed


H = "0f" * 32


@pytest.mark.parametrize("flags", [("--checkpoint", "--out", "--batch-size"), ("--pth", "--onnx", "--bs")])
def test_the_guides_flags_are_further_names(model, flags):
    words = [word for pair in zip(flags, ("a.pth", "b/c.onnx", "4"), strict=True) for word in pair]
    found = parse(
        model,
        *words,
        "--opset",
        "13",
        "--sha256",
        H,
        checkpoint=["--pth"],
        out=["--onnx"],
        batch_size=["--bs"],
    )
    assert found == {
        "checkpoint": Path("a.pth"),
        "out": Path("b/c.onnx"),
        "batch_size": 4,
        "opset": 13,
        "sha256": H,
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "noext"], "--out: expected the name of an .onnx file, got 'noext'"),
        (["--out", "model.om"], "--out: expected the name of an .onnx file, got 'model.om'"),
        (["--opset", "99"], "--opset: invalid choice"),
        (["--opset", "8"], "--opset: invalid choice"),
        (["--batch-size", "0"], "--batch-size: expected a whole number of at least 1, got '0'"),
        (["--pth", "a.pth"], "unrecognized arguments"),
    ],
)
def test_what_cannot_be_exported_is_wrong_usage(model, words, message, capsys):
    with wrong_usage(capsys, message):
        parse(model, *words)
