"""torch, which a network is compared with. It is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn


def run_torch(network: nn.Module, *inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Run a network on a batch, Nx... float32 for each input, and return its outputs, one or several."""
    import torch  # noqa: PLC0415

    with torch.inference_mode():
        outputs = network(*map(torch.from_numpy, inputs))
    return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]
