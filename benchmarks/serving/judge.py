"""What the peers serve: Unmask's own preprocessing and module, in batches."""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from handler.precision import TYPES, load
from handler.preprocessing import IMAGE_SIZE, decode, normalise, resize

Image = NDArray[np.uint8]
BATCH = 8
BATCH_SECONDS = 0.015


class Judge:
    """A module that is warmed up for every size of batch."""

    def __init__(self, module: Path, precision: str, threads: int) -> None:
        """Load a TorchScript module; all passes of this process use that many threads."""
        torch.set_num_threads(threads)
        self.module = load(module, precision, torch.device("cpu"))
        self.type = TYPES[precision]
        blank = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        for size in (1, *range(1, BATCH + 1)):
            self([blank] * size)

    @torch.inference_mode()
    def __call__(self, images: list[Image]) -> list[float]:
        """Return the probability of real for each image."""
        batch = torch.from_numpy(np.stack(images))
        return self.module(normalise(batch).to(self.type)).tolist()  # type: ignore[no-any-return]


def read(data: bytes) -> Image:
    """Decode and resize the bytes of an image file."""
    return resize(decode(data))


def peer_arguments(description: str | None) -> argparse.Namespace:
    """Read the command line that every peer has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--module", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of one worker")
    parser.add_argument("--port", type=int, required=True)
    return parser.parse_args()
