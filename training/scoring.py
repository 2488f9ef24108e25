"""Judging images with an exported module, an archive or a checkpoint."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from handler import precision
from handler.preprocessing import normalise
from training.checkpoint import restore
from training.data import Example, Images
from training.precisions import MODULES
from training.store import NAME, StoreError

Judge = Callable[[Tensor], Tensor]


def load_judge(path: Path, device: torch.device) -> Judge:
    """Return what turns a normalised batch into probabilities of real: a .pt, a .mar or a .ckpt.

    A checkpoint's probabilities are not calibrated. The 8-bit module is known by its name, and runs on the
    CPU. Raises StoreError for a missing file.
    """
    if not path.exists():
        raise StoreError(f"{path} is missing: `python -m training export` writes the module.")
    if path.name == MODULES["int8"]:
        module = precision.load(path, "int8", torch.device("cpu"))
        return lambda images: module(images.cpu())
    if path.suffix == ".ckpt":
        return restore(path)[0].to(device)
    data = path.read_bytes()
    if path.suffix == ".mar":
        with zipfile.ZipFile(path) as archive:
            data = archive.read(f"{NAME}.pt")
    module = torch.jit.load(io.BytesIO(data), map_location=device)  # type: ignore[no-untyped-call]
    judge: Judge = torch.jit.freeze(module.eval())
    return judge


def probabilities(
    judge: Judge,
    frame: pd.DataFrame,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    workers: int = 1,
) -> NDArray[np.float64]:
    """Return the probability of real (N,) of each of the frame's images."""
    return score(judge, Images(frame), device, progress, workers)


@torch.inference_mode()
def score(
    judge: Judge,
    images: Dataset[Example],
    device: torch.device,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    workers: int = 1,
) -> NDArray[np.float64]:
    """Return the probability of real (N,) of each of a data set's images, uint8 RGB."""
    found: list[float] = []
    batch_size = 256 if device.type == "cuda" else 16
    for batch, _, _ in DataLoader(images, batch_size, num_workers=workers):
        found += judge(normalise(batch.to(device))).double().tolist()
        progress(len(found), len(images))  # type: ignore[arg-type]  # all data sets here have a length
    return np.array(found)


def file_hash(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
