"""A detector's figures where images lose detail, and its answers to pictures without a face."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from torch.utils.data import Dataset

from handler.preprocessing import decode, resize
from training import degrade
from training.data import Example
from training.degrade import Pixels
from training.drawings import drawings
from training.metrics import measure
from training.scoring import Judge, score

Progress = Callable[[str, int, int], None]
Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One way and degree of losing detail, and the largest loss of AUC that the project accepts."""

    family: str
    level: float
    apply: Callable[[Pixels, Generator], Pixels]
    bar: float | None = None


def _jpeg(quality: int, bar: float | None = None) -> Change:
    return Change("JPEG quality", quality, lambda image, _: degrade.jpeg(image, quality), bar)


def _reduced(share: float, bar: float | None = None) -> Change:
    def apply(image: Pixels, _: Generator) -> Pixels:
        return cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]

    return Change("resolution", share, apply, bar)


def _blurred(sigma: float, bar: float | None = None) -> Change:
    return Change("blur sigma", sigma, lambda image, _: degrade.blur(image, sigma), bar)


def _noisy(sigma: float, bar: float | None = None) -> Change:
    return Change("noise sigma", sigma, lambda image, rng: degrade.noise(image, sigma, rng), bar)


CHANGES = (
    *(_jpeg(90), _jpeg(70), _jpeg(50, bar=0.05), _jpeg(30)),
    *(_reduced(0.5, bar=0.05), _reduced(0.25)),
    *(_blurred(1), _blurred(2, bar=0.08), _blurred(3)),
    *(_noisy(2), _noisy(5, bar=0.08), _noisy(10)),
)


class Changed(Dataset[Example]):
    """The images of a frame, changed as files before preprocessing sees them."""

    def __init__(self, frame: pd.DataFrame, change: Change | None) -> None:
        self.paths = [str(path) for path in frame["path"]]
        self.change = change

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.paths)

    def __getitem__(self, row: int) -> Example:
        """Return an image, uint8 RGB (224, 224, 3); its label is not known here, and given as NaN."""
        pixels = decode(Path(self.paths[row]).read_bytes())
        if self.change:
            pixels = self.change.apply(pixels, np.random.default_rng(row))
        return torch.from_numpy(resize(pixels)), torch.tensor(float("nan")), row


def robustness(
    judge: Judge, frame: pd.DataFrame, device: torch.device, workers: int, progress: Progress
) -> list[Row]:
    """Return AUC, its loss and the accuracies for a frame's images unchanged, and then under each change."""
    rows: list[Row] = []
    for change in (None, *CHANGES):
        name = f"{change.family} {change.level:g}" if change else "unchanged"
        seen = score(judge, Changed(frame, change), device, partial(progress, name), workers)
        found = measure(frame.assign(probability=seen))
        row = {key: found[key] for key in ("images", "roc_auc", "accuracy_real", "accuracy_fake")}
        if change:
            clean = rows[0]["roc_auc"]
            loss = None if clean is None else clean - row["roc_auc"]
            row |= {"family": change.family, "level": change.level, "loss": loss, "bar": change.bar}
        rows.append({"change": name} | row)
    return rows


def non_faces(judge: Judge, device: torch.device) -> list[Row]:
    """Return what the detector says of each kind of `drawings`."""
    rows = []
    for kind, pictures in drawings().items():
        tensors = [(torch.from_numpy(resize(each)), torch.tensor(float("nan")), 0) for each in pictures]
        seen = score(judge, tensors, device, workers=0)  # type: ignore[arg-type]  # a list is a data set
        rows.append(
            {
                "kind": kind,
                "images": len(seen),
                "called_real": float((seen >= 0.5).mean()),
                "least_probability_real": float(seen.min()),
                "largest_probability_real": float(seen.max()),
            }
        )
    return rows
