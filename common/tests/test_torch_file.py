"""torch_file.py: whatever a file says, memory follows its size, and damage is one message."""

from __future__ import annotations

import pickle
import random
import struct
import subprocess
import sys
import zipfile

import pytest

torch = pytest.importorskip("torch", reason="checkpoints are torch's")

from common.errors import GuideError  # noqa: E402
from common.export import checkpoint  # noqa: E402

KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.complex64)


def state():
    shared = torch.arange(24.0)
    return {
        "shared": shared,
        "part": shared[4:10].reshape(2, 3).t(),
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        **{str(kind): torch.tensor([0, 1, 1]).to(kind) for kind in KINDS},
    }


def save(folder, content, *, legacy=False, **options):
    path = folder / "tiny.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, **options)
    return path


def refusal(path):
    with pytest.raises(GuideError) as error:
        checkpoint.read(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_are_those_that_torch_itself_reads(legacy, protocol, tmp_path):
    path = save(tmp_path, state(), legacy=legacy, pickle_protocol=protocol)
    found, expected = checkpoint.read(path), torch.load(path, weights_only=False)
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)
    assert found["part"].untyped_storage().data_ptr() == found["shared"].untyped_storage().data_ptr()


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write an archive again, its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_compressed_members_are_refused_before_they_are_read(tmp_path):
    path = rewritten(
        save(tmp_path, state()), lambda m: m.update({"tiny/data/0": bytes(2**28)}), zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 2**20
    assert refusal(path) == "refused: it holds compressed members, which torch.save does not write."


def test_an_archive_of_another_kind_is_refused(tmp_path):
    path = save(tmp_path, state())
    assert "another kind of zip" in refusal(rewritten(path, lambda members: members.pop("tiny/data.pkl")))
    path = rewritten(save(tmp_path, state()), lambda members: members.update({"tiny/byteorder": b"big"}))
    assert "other order of bytes" in refusal(path)


def test_members_that_are_larger_than_the_file_are_refused(tmp_path):
    path = save(tmp_path, state())
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")  # the directory's first entry
    content[place + 20 : place + 28] = struct.pack("<II", 2**31, 2**31)
    path.write_bytes(content)
    assert refusal(path).startswith("damaged: its members are larger than the file")


def call(name, *arguments):
    """A pickle's object that calls a function of torch."""

    class Call:
        def __reduce__(self):
            return getattr(torch._utils, name), arguments  # noqa: SLF001

    return Call()


FOUR = torch.storage.TypedStorage(
    wrap_storage=torch.ones(4).untyped_storage(), dtype=torch.float32, _internal=True
)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        *(
            (0, (10**12,), (0,)),
            (0, (10**6, 10**6), (0, 0)),
            (0, (5,), (1,)),
            (1, (4,), (1,)),
            (0, (2,), (4,)),
        ),
        *((-1, (2,), (1,)), (0, (-2,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,)), (0, (2.0,), (1,))),
        *((4, (), ()), (None, (2,), (1,)), (0, 2, 1)),
    ],
)
def test_a_tensor_beyond_its_numbers_is_refused(offset, size, stride, legacy, tmp_path):
    bad = call("_rebuild_tensor_v2", FOUR, offset, size, stride, False, {})
    assert "damaged" in refusal(save(tmp_path, {"w": torch.ones(2), "bad": bad}, legacy=legacy))


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_no_dense_tensor_is_refused_by_name(legacy, tmp_path):
    path = save(tmp_path, {"w": torch.eye(3).to_sparse()}, legacy=legacy)
    assert "it asks for torch" in refusal(path)


def test_a_length_that_only_the_file_says_is_refused(tmp_path):
    path = save(tmp_path, {"w": torch.ones(77)}, legacy=True)
    content = path.read_bytes()
    assert content.count(b"KM") == 2  # 77 in the reference, and in the shape
    path.write_bytes(content.replace(b"KM", b"\x8a\x05\x00\x00\x00\x00\x10"))
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_any_changed_bytes_are_read_or_told_in_one_message(legacy, tmp_path):
    whole = save(tmp_path, state(), legacy=legacy).read_bytes()
    path = tmp_path / "mutant.pth"
    rng = random.Random(0)  # noqa: S311  repeatable
    told = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        path.write_bytes(content)
        try:
            checkpoint.read(path)
        except GuideError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            told += 1
    assert told > 30


def test_hostile_files_are_read_in_little_memory(tmp_path):
    """Within 2 GB of addresses, torch not imported."""
    compressed = rewritten(
        save(tmp_path, state()), lambda m: m.update({"tiny/data/0": bytes(2**28)}), zipfile.ZIP_DEFLATED
    )
    pickled = tmp_path / "pickled.pth"
    pickled.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"\x80\x02r\xff\xff\xff\x7f.")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from common.errors import GuideError\n"
        "from common.export import checkpoint\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "for name in sys.argv[1:]:\n"
        "    try: checkpoint.read(Path(name))\n"
        "    except GuideError as error: print(error)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, compressed, pickled], capture_output=True, text=True, check=True
    )
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [str(compressed), str(pickled)]


def test_names_of_storages_that_hold_themselves_many_times_are_refused_and_not_hashed(tmp_path):
    whole = save(tmp_path, state(), legacy=True).read_bytes()
    key = b")" + b"q\x00h\x00\x86" * 60
    end = [position for position in range(len(whole)) if whole.startswith(b"\x80\x02]", position)][-1]
    path = tmp_path / "mutant.pth"
    path.write_bytes(whole[:end] + b"\x80\x02]" + key + b"a.")
    with pytest.raises(GuideError, match="or damaged"):
        checkpoint.read(path)


def test_a_tensor_of_more_dimensions_than_any_is_refused(tmp_path):
    sides = b"(" + b"K\x01" * 65 + b"t"
    reference = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    )
    content = (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("
        + reference
        + b"K\x00"
        + sides
        + sides
        + b"tRs."
    )
    path = tmp_path / "sides.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sides/data.pkl", content)
        archive.writestr("sides/data/0", bytes(4))
    with pytest.raises(GuideError, match="a tensor without numbers"):
        checkpoint.read(path)
