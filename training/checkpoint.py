"""Checkpoints: all that a run needs to go on, and all that later steps need of it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchvision.models import resnet50

from training.data import DataError
from training.hyperparameters import Choice, HyperParameters
from training.model import Detector
from training.optimise import Average

LAST, BEST = "last.ckpt", "best.ckpt"
Row = dict[str, float]  # one epoch's figures
Record = dict[str, Any]  # how a run trained, as `record_of` gives it


@dataclass
class State:
    """What a run has learnt so far."""

    hyperparameters: HyperParameters
    detector: Detector
    optimizer: Optimizer
    scheduler: ReduceLROnPlateau
    average: Average | None = None
    earlier: list[Record] = field(default_factory=list)  # of the runs that this one goes on from, in order
    history: list[Row] = field(default_factory=list)

    @property
    def judged(self) -> Detector:
        """Return the detector that is validated and kept: the averaged one, where there is one."""
        return self.average.detector if self.average else self.detector

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
        if not self.hyperparameters.continues(hp):
            raise DataError(f"{folder} was begun with other hyper-parameters: {hp}.")
        self.judged.load_state_dict(saved["weights"])
        if self.average:
            self.detector.load_state_dict(saved["latest_weights"])
            self.average.steps = saved["steps"]
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.history = saved["history"]

    def save(self, folder: Path) -> None:
        """Write last.ckpt, and best.ckpt as well if the latest epoch is the best one so far.

        Only last.ckpt holds what a run needs to go on.
        """
        best = {
            "hyperparameters": self.hyperparameters.to_dict(),
            "weights": self.judged.state_dict(),
            "history": self.history,
            "earlier": self.earlier,
        }
        last: dict[str, Any] = best | {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
        }
        if self.average:
            last |= {"latest_weights": self.detector.state_dict(), "steps": self.average.steps}
        _write(last, folder / LAST)
        if best_epoch(self.history, self.hyperparameters.choose) is self.history[-1]:
            _write(best, folder / BEST)


def best_epoch(history: list[Row], choose: Choice) -> Row:
    """Return the epoch of the lowest validation loss, or of the highest AUC averaged over sources."""
    if choose == "auc":
        return max(reversed(history), key=lambda row: row["val_auc_sources"])
    return min(reversed(history), key=lambda row: row["val_loss"])


def _write(saved: dict[str, Any], path: Path) -> None:
    partial = path.with_name(f"{path.name}.partial")
    torch.save(saved, partial)
    os.replace(partial, path)


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


def record_of(saved: dict[str, Any]) -> Record:
    """Return how a checkpoint was trained, as model.json holds it.

    That is its hyper-parameters, its epochs under `history`, and under `earlier` the same of the runs that it
    went on from, if any.
    """
    more = {name: saved[name] for name in ("history", "average_of", "earlier") if saved.get(name)}
    record: Record = saved["hyperparameters"] | more
    return record


def average_of(first: Path, second: Path, share: float, folder: Path) -> None:
    """Write the average of two checkpoints' weights to best.ckpt; `share` in [0, 1] is the second one's.

    It makes sense of a network and one that was trained further from it: "Robust fine-tuning of zero-shot
    models" (Wortsman et al., CVPR 2022). Raises DataError if they are not of one shape.
    """
    one, other = read(first), read(second)
    if _shapes(one) != _shapes(other):
        raise DataError(f"{first} and {second} are of different networks: they have no average.")
    weights = {
        name: torch.lerp(a, other["weights"][name], share) if a.is_floating_point() else a
        for name, a in one["weights"].items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    averaged = {"first": str(first), "second": str(second), "share": share}
    _write(other | {"weights": weights, "average_of": averaged}, folder / BEST)


def _shapes(saved: dict[str, Any]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in saved["weights"].items()}
