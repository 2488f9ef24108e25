"""What a lower precision costs in quality, against float32 on the same images, and what it may cost."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.precisions import Comparison

# The precision is refused on a split where the area under the ROC curve or the accuracy is off by more.
AUC_LIMIT = 0.003
ACCURACY_LIMIT = 0.005


def compare(frame: pd.DataFrame, reference: NDArray[np.float64], other: NDArray[np.float64]) -> Comparison:
    """Compare two precisions' probabilities (N,) of the frame's rows, on each of its splits.

    `changed` counts the images whose label changes; `changed_distance` is how far float32's probability of
    those is from 0.5, at the median and at most. `auc` is None where a split has one class only.
    """
    splits = {}
    for name, rows in frame.groupby("split").indices.items():
        label = frame["label"].to_numpy()[rows]
        splits[str(name)] = _compare(label, reference[rows], other[rows])
    return {"passed": all(each["passed"] for each in splits.values()), "splits": splits}


def table(comparison: Comparison) -> list[list[str]]:
    """Return a comparison as cells: the header, and a row for each split, float32's figures first."""
    rows = [["split", "images", "AUC", "accuracy", "labels changed", "their distance from 0.5"]]
    for name, each in comparison["splits"].items():
        auc, distance = each["auc"], each["changed_distance"]
        rows.append(
            [
                name,
                str(each["images"]),
                "n/a" if auc is None else f"{auc[0]:.4f} → {auc[1]:.4f}",
                f"{each['accuracy'][0]:.4f} → {each['accuracy'][1]:.4f}",
                str(each["changed"]),
                "" if distance is None else f"median {distance[0]:.3f}, at most {distance[1]:.3f}",
            ]
        )
    return rows


def _compare(
    label: NDArray[np.int64], reference: NDArray[np.float64], other: NDArray[np.float64]
) -> Comparison:
    both = len(set(label)) == 2
    auc = [float(roc_auc_score(label, each)) for each in (reference, other)] if both else None
    accuracy = [float(((each >= 0.5) == label).mean()) for each in (reference, other)]
    changed = (reference >= 0.5) != (other >= 0.5)
    distance = np.abs(reference[changed] - 0.5)
    difference = np.abs(reference - other)
    return {
        "images": len(label),
        "auc": auc,
        "accuracy": accuracy,
        "changed": int(changed.sum()),
        "changed_distance": [float(np.median(distance)), float(distance.max())] if changed.any() else None,
        "difference": {
            "median": float(np.median(difference)),
            "99 %": float(np.quantile(difference, 0.99)),
            "largest": float(difference.max()),
        },
        "passed": _within(auc, AUC_LIMIT) and _within(accuracy, ACCURACY_LIMIT),
    }


def _within(pair: list[float] | None, limit: float) -> bool:
    # Six images of 1,200 are half a point, and a little more as a difference of floating-point numbers.
    return pair is None or round(abs(pair[1] - pair[0]), 9) <= limit
