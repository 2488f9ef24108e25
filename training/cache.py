"""Activations of frozen layers, computed once for each augmented view and kept on disk."""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.utils.data import DataLoader, Dataset, Subset

from handler.preprocessing import decode, normalise, resize
from training.cache_entry import Entry
from training.data import Example, Images
from training.model import FEATURES, Cut, Detector

SHAPES: dict[Cut, tuple[int, ...]] = {"layer3": (14, 14, 1024), "pooled": (FEATURES,)}
_ROWS_BETWEEN_MARKS = 512


@dataclass(frozen=True)
class Cache:
    """Where activations are kept, and how they are computed."""

    folder: Path
    device: torch.device
    bf16: bool
    workers: int
    batch_size: int = 32
    progress: Callable[[str, int, int], None] = lambda _name, _done, _total: None

    def load(self, detector: Detector, cut: Cut, images: Images) -> NDArray[np.float16]:
        """Return the activations of all images at a cut, (N, *SHAPES[cut]), computing those not there yet.

        Pooled features are computed from the third stage's maps where those are complete.
        """
        target = self._entry(detector, cut, images)
        if cut == "pooled":
            earlier = self._entry(detector, "layer3", images)
            start: Cut = "layer3" if earlier.complete else "image"
        else:
            start = "image"
        if not target.complete:
            source: Dataset[Example] = Maps(earlier.read(), images.labels) if start == "layer3" else images
            self._fill(target, detector, source, start, cut)
        return target.read()

    @torch.inference_mode()
    def _fill(self, entry: Entry, detector: Detector, source: Dataset[Example], start: Cut, cut: Cut) -> None:
        memory = entry.open()
        done = entry.rows
        rest = Subset(source, range(done, len(memory)))
        workers = self.workers if start == "image" else 0
        frozen = _folded(detector).to(self.device).to(memory_format=torch.channels_last)
        marked = done
        for batch, _, _ in DataLoader(rest, self.batch_size, num_workers=workers):
            x = enter(batch.to(self.device), start)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                features = frozen.advance(x, start, cut)
            if cut == "layer3":
                features = features.permute(0, 2, 3, 1)  # channels last on disk as well: no copy when read
            memory[done : done + len(features)] = features.half().cpu().numpy()
            done += len(features)
            if done - marked >= _ROWS_BETWEEN_MARKS or done == len(memory):
                memory.flush()
                entry.mark(done)
                marked = done
            self.progress(f"{cut} of view {entry.path.name}", done, len(memory))

    def _entry(self, detector: Detector, cut: Cut, images: Images) -> Entry:
        parts = [detector.stem] if cut == "layer3" else [detector.stem, detector.layer4]
        identity = [
            cut,
            self.bf16,
            *map(_hash_weights, parts),
            _hash_frame(images.frame),
            _hash_pixels(images),
        ]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:20]
        return Entry(self.folder / f"{cut}-{key}", (len(images), *SHAPES[cut]))


class Maps(Dataset[Example]):
    """Cached activations with their labels."""

    def __init__(self, features: NDArray[np.float16], labels: Tensor) -> None:
        self.features, self.labels = features, labels

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.features)

    def __getitem__(self, row: int) -> Example:
        """Return a row's activations, its label and the row."""
        return torch.from_numpy(np.array(self.features[row])), self.labels[row], row


def enter(batch: Tensor, cut: Cut) -> Tensor:
    """Turn a batch as the data sets give it into the network's float32 activations at a cut."""
    if cut == "image":
        return normalise(batch)
    return (batch.permute(0, 3, 1, 2) if cut == "layer3" else batch).float()


def _folded(detector: Detector) -> Detector:
    # Batch normalisation folded into the convolutions: a sixth less time on a CPU.
    copy = deepcopy(detector).eval()
    for name in ("stem", "layer4"):
        setattr(copy, name, fuse(getattr(copy, name)))
    return copy


def _hash_weights(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _hash_frame(frame: pd.DataFrame) -> str:
    return hashlib.sha256(frame[["path", "label"]].to_csv().encode()).hexdigest()


def _hash_pixels(images: Images) -> str:
    # What preprocessing and augmentation make of a drawn picture: it changes with what they do, not with
    # how they are written.
    y, x = np.mgrid[0:300, 0:260]
    picture = np.stack([x % 256, y % 256, (x * y) % 251], axis=2).astype(np.uint8)
    pixels = resize(decode(cv2.imencode(".png", picture)[1].tobytes()))
    views = np.stack([images.change(pixels, row, images.view) for row in range(8)])
    return hashlib.sha256(normalise(torch.from_numpy(views)).numpy().tobytes()).hexdigest()
