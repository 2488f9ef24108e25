"""How a run does on the sources it was trained without: the honest estimate for sources nobody has seen."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import torch

from training.metrics import source_aucs
from training.model import Detector
from training.scoring import probabilities


def judge_left_out(
    detector: Detector,
    *,
    left_out: pd.DataFrame,
    validation: pd.DataFrame,
    device: torch.device,
    workers: int,
    progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Return images, ROC AUC, and accuracy at 0.5 (not calibrated) of each source that was left out.

    A source of one class is ranked against the validation images of the other class.
    """
    found = {}
    for source, rows in left_out.groupby("source"):
        judged = rows
        if rows["label"].nunique() < 2:
            others = validation[validation["label"] != rows["label"].iloc[0]]
            judged = pd.concat([rows, others]).reset_index(drop=True)
        seen = partial(progress, f"left out: {source}")
        scored = judged.assign(probability=probabilities(detector, judged, device, seen, workers))
        own = scored[scored["source"] == source]
        right = (own["probability"] >= 0.5) == (own["label"] == 1)
        auc = source_aucs(scored)[1][str(source)]
        found[str(source)] = {"images": len(own), "roc_auc": auc, "accuracy": float(right.mean())}
    return found
