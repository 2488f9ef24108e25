"""The figures that say how good a detector is, over all images and for each source by itself."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from training.data import FAKE, REAL

Metrics = dict[str, Any]
CALIBRATION_BINS = 10
TITLES = {
    "accuracy": "accuracy",
    "accuracy_real": "on real",
    "accuracy_fake": "on fake",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "average_precision": "AP",
    "calibration_error": "ECE",
}


def evaluate(scored: pd.DataFrame) -> Metrics:
    """Return the metrics overall and per source of rows with label, source and probability (of real)."""
    sources = {str(name): measure(rows) for name, rows in scored.groupby("source")}
    return {"overall": measure(scored), "sources": sources}


def measure(scored: pd.DataFrame) -> Metrics:
    """Return the metrics of rows with label and probability (of real), at the threshold 0.5.

    Precision, recall, F1 and average precision are those of finding fakes. What needs both classes is None
    where there is only one. The confusion matrix has a row per true class and a column per answer, fake
    first. `calibration_error` is the expected calibration error in ten bins of equal width (Guo et al., "On
    calibration of modern neural networks", ICML 2017, equation 3).
    """
    label = scored["label"].to_numpy()
    probability = scored["probability"].to_numpy()
    answer = np.where(probability >= 0.5, REAL, FAKE)
    both = len(set(label)) == 2
    precision, recall, f1, _ = precision_recall_fscore_support(
        label, answer, pos_label=FAKE, average="binary", zero_division=0
    )
    accuracy = {
        name: float((answer[label == value] == value).mean()) if (label == value).any() else None
        for name, value in (("real", REAL), ("fake", FAKE))
    }
    return {
        "images": {"real": int((label == REAL).sum()), "fake": int((label == FAKE).sum())},
        "accuracy": float((answer == label).mean()),
        "accuracy_real": accuracy["real"],
        "accuracy_fake": accuracy["fake"],
        "precision": float(precision) if both else None,
        "recall": float(recall) if both else None,
        "f1": float(f1) if both else None,
        "roc_auc": float(roc_auc_score(label, probability)) if both else None,
        "average_precision": float(average_precision_score(label == FAKE, 1 - probability)) if both else None,
        "calibration_error": calibration_error(label, probability),
        "confusion": confusion_matrix(label, answer, labels=[FAKE, REAL]).tolist(),
    }


def table(metrics: Metrics) -> list[list[str]]:
    """Return what `evaluate` found as cells: the header, a row for all images, and one for each source."""
    rows = [["source", "real", "fake", *TITLES.values()]]
    for name, values in [("all", metrics["overall"]), *metrics["sources"].items()]:
        counts = [str(values["images"][kind]) for kind in ("real", "fake")]
        figures = ["n/a" if values[key] is None else f"{values[key]:.3f}" for key in TITLES]
        rows.append([name, *counts, *figures])
    return rows


def calibration_error(label: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """Return the mean gap between probability and observed frequency of real, weighted by the bins' sizes."""
    bins = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        (bins == each).mean() * abs(probability[bins == each].mean() - label[bins == each].mean())
        for each in np.unique(bins)
    ]
    return float(sum(gaps))
