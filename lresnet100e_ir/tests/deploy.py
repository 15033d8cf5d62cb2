"""Run the guide's steps in this copy of the model directory, without torch, and compare both routes to the distances.

python tests/deploy.py --model model_ir_se100_sim.onnx [--data lfw.bin]

The file route (preprocess, get_info, infer, postprocess) must give the same distances as the streamed one (evaluate).
Without --data ten pairs of drawn pictures serve.
"""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ascend_tools.testing import deployment
from common import cli

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from lresnet_lfw import lfw  # noqa: E402

run = partial(deployment.run, HERE)


def draw_data(path: Path) -> Path:
    """Write ten drawn pairs as an lfw.bin."""
    path.parent.mkdir(parents=True)
    pictures = []
    for number in range(20):
        picture = np.full((112, 112, 3), 220 - 6 * number, np.uint8)
        cv2.ellipse(picture, (56, 56), (30 + number, 40), 90, 0, 360, (120, 160, 220), cv2.FILLED)
        cv2.circle(picture, (40 + number, 45), 5, (40, 60, 80), cv2.FILLED)
        pictures.append(cv2.imencode(".jpg", picture)[1].tobytes())
    path.write_bytes(pickle.dumps((pictures, [True, False] * 5), protocol=4))
    return path


def read_distances(folder: Path) -> np.ndarray:
    """Return the distances in a pairs.csv."""
    return np.loadtxt(folder / "pairs.csv", delimiter=",", skiprows=1, usecols=2)


def different(one: Path, other: Path, data: Path) -> str:
    """Say how the predictions that two routes stored differ, in words; nothing where they are the same."""
    distances, others = read_distances(one), read_distances(other)
    same = distances.shape == others.shape and np.abs(distances - others).max() <= 1e-4
    return "" if same else "different distances"


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    model, given, batches = deployment.parse(__doc__, argv, "The LFW data set")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = given or draw_data(work / "data" / "lfw.bin")
        labels, result = work / "lfw_list.npy", work / "result"
        run("preprocess.py", "jpg", data, work / "lfw")
        run("preprocess.py", "--data", data, "--out", work / "lfw")
        run("preprocess.py", "bin", work / "lfw", work / "lfw.info", "112", "112")
        run("get_info.py", "bin", work / "lfw", work / "again.info", "112", "112")
        if (work / "lfw.info").read_text() != (work / "again.info").read_text():
            sys.exit("error: preprocess.py bin and get_info.py list different inputs")
        infer = ("-m", "common.infer", "--model", model, "--input", work / "lfw.info", "--out", result)
        run(*infer, *batches, "--output-format", "txt")
        # The guide's form writes its figures to ./output, so this one says where.
        run("postprocess.py", result / "dumpOutput_device0", labels, "--out", work / "files")
        run("evaluate.py", "--model", model, "--data", data, "--out", work / "streamed")
        faces = []
        (work / "faces").mkdir()
        for name, face in list(lfw.read_pairs(data).faces.items())[:3]:
            faces.append(work / "faces" / f"{name}.png")
            cv2.imwrite(str(faces[-1]), face.read())
        run("predict.py", *faces, "--model", model, "--out", work / "predicted")
        run("embed.py", work / "faces", "--model", model, "--out", work / "faces.npy")
        run(
            "predict.py",
            faces[0],
            "--gallery",
            work / "faces.npy",
            "--model",
            model,
            "--out",
            work / "predicted",
        )

        if found := different(work / "files", work / "streamed", data):
            sys.exit(f"error: the file route and the streamed route give {found}")
        files = read_distances(work / "files")
        print(f"both routes give the same {len(files)} distances")
        (nearest, *_) = json.loads((work / "predicted" / "0_matches.json").read_text())["matches"]
        if Path(nearest["image"]) != faces[0].resolve():
            sys.exit("error: predict.py does not find a face in what embed.py stored of it")
        (first, *_) = json.loads((work / "predicted" / "similarity.json").read_text())["pairs"]
        if abs(first["squared distance"] - files[0]) > 1e-4:
            sys.exit("error: predict.py gives the first pair another distance")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
