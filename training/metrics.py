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

from training.intervals import intervals
from training.labels import FAKE, REAL

Metrics = dict[str, Any]
CALIBRATION_BINS = 10
COVERAGES = (1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
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
    return {"overall": measure(scored), "sources": sources, "abstention": abstention(scored)}


def measure(scored: pd.DataFrame) -> Metrics:
    """Return the metrics of rows with label and probability (of real), at the threshold 0.5.

    Precision, recall, F1 and average precision are those of finding fakes. What needs both classes is None
    where there is only one. The confusion matrix has a row per true class and a column per answer, fake
    first. `calibration_error` is the expected calibration error in ten bins of equal width (Guo et al., "On
    calibration of modern neural networks", ICML 2017, equation 3). `intervals` are 95 % intervals of accuracy
    and ROC AUC.
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
        "intervals": intervals(label, probability),
        "confusion": confusion_matrix(label, answer, labels=[FAKE, REAL]).tolist(),
    }


def error_over_coverage(scored: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return confidence (N,), falling, and the share of wrong verdicts among all up to there.

    The risk-coverage curve of El-Yaniv and Wiener, "On the foundations of noise-free selective
    classification", JMLR 2010: entry i is the error of a detector that abstains from all but i + 1 images.
    """
    probability = scored["probability"].to_numpy()
    confidence = np.maximum(probability, 1 - probability)
    order = np.argsort(-confidence, kind="stable")
    wrong = (probability >= 0.5) != (scored["label"].to_numpy() == REAL)
    return confidence[order], np.cumsum(wrong[order]) / np.arange(1, len(order) + 1)


def abstention(scored: pd.DataFrame) -> list[Metrics]:
    """Return the share of wrong verdicts where only the most confident share of images is judged."""
    confidence, error = error_over_coverage(scored)
    rows = []
    for coverage in COVERAGES:
        last = max(1, round(coverage * len(error))) - 1
        rows.append(
            {
                "coverage": coverage,
                "confidence_from": round(float(confidence[last]), 4),
                "error": round(float(error[last]), 4),
            }
        )
    return rows


def source_aucs(scored: pd.DataFrame) -> tuple[float, dict[str, float]]:
    """Return the ROC AUC of all rows with label, source and probability, and that of each source.

    A source of one class is ranked against all images of the other class: so it counts too, and a detector
    that knows sources rather than fakes is found out. NaN where there is only one class at all.
    """
    if scored["label"].nunique() < 2:
        return float("nan"), dict.fromkeys(map(str, scored["source"].unique()), float("nan"))
    aucs = {}
    for source, own in scored.groupby("source"):
        rows = own
        if own["label"].nunique() < 2:
            rows = pd.concat([own, scored[scored["label"] != own["label"].iloc[0]]])
        aucs[str(source)] = float(roc_auc_score(rows["label"], rows["probability"]))
    return float(roc_auc_score(scored["label"], scored["probability"])), aucs


def table(metrics: Metrics) -> list[list[str]]:
    """Return what `evaluate` found as cells: the header, a row for all images, and one for each source."""
    rows = [["source", "real", "fake", *TITLES.values()]]
    for name, values in [("all", metrics["overall"]), *metrics["sources"].items()]:
        counts = [str(values["images"][kind]) for kind in ("real", "fake")]
        rows.append([name, *counts, *(_cell(values, key) for key in TITLES)])
    return rows


def _cell(values: Metrics, key: str) -> str:
    if values[key] is None:
        return "n/a"
    interval = values["intervals"].get(key)
    return f"{values[key]:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def calibration_error(label: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """Return the mean gap between probability and observed frequency of real, weighted by the bins' sizes."""
    bins = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [
        (bins == each).mean() * abs(probability[bins == each].mean() - label[bins == each].mean())
        for each in np.unique(bins)
    ]
    return float(sum(gaps))
