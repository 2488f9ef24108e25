"""Checkpoints: all that a run needs to go on, and all that later steps need of it."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchvision.models import resnet50

from training.data import DataError
from training.hyperparameters import HyperParameters
from training.model import Detector

LAST, BEST = "last.ckpt", "best.ckpt"
Row = dict[str, float]  # one epoch's figures


@dataclass
class State:
    """What a run has learnt so far."""

    hyperparameters: HyperParameters
    detector: Detector
    optimizer: Optimizer
    scheduler: ReduceLROnPlateau
    history: list[Row] = field(default_factory=list)

    def begin(self, folder: Path) -> None:
        """Make the run's folder; raises DataError if a run would be overwritten."""
        if (folder / LAST).exists():
            raise DataError(
                f"{folder} holds a run already: continue it with --resume, or name another folder with --out."
            )
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self, folder: Path) -> None:
        """Continue from last.ckpt; raises DataError if there is none, or one of another recipe."""
        saved = read(folder / LAST)
        hp = HyperParameters.from_dict(saved["hyperparameters"])
        if replace(hp, epochs=self.hyperparameters.epochs) != self.hyperparameters:
            raise DataError(f"{folder} was begun with other hyper-parameters: {hp}.")
        self.detector.load_state_dict(saved["weights"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.history = saved["history"]

    def save(self, folder: Path) -> None:
        """Write last.ckpt, and best.ckpt as well if the latest epoch has the lowest validation loss."""
        saved = {
            "hyperparameters": self.hyperparameters.to_dict(),
            "weights": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "history": self.history,
        }
        best = self.history[-1]["val_loss"] <= min(row["val_loss"] for row in self.history)
        for name in [LAST, BEST] if best else [LAST]:
            partial = folder / f"{name}.partial"
            torch.save(saved, partial)
            os.replace(partial, folder / name)


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint; raises DataError if it does not exist."""
    if not path.exists():
        raise DataError(f"{path} is missing: `python -m training train` writes it.")
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return saved


def restore(path: Path) -> tuple[Detector, dict[str, Any]]:
    """Return a checkpoint's detector, uncalibrated and in evaluation mode, and the rest of the checkpoint."""
    saved = read(path)
    hp = HyperParameters.from_dict(saved["hyperparameters"])
    detector = Detector(resnet50(weights=None), hp.head_widths, hp.dropout)
    detector.load_state_dict(saved.pop("weights"))
    return detector.eval(), saved
