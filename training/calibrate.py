"""Platt scaling and certainty levels, both fixed on the validation split."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.batches import Batches
from training.data import DataError
from training.train import Tail

Floats = NDArray[np.float64]
Level = dict[str, Any]

# The largest share of wrong verdicts that a level's name may stand for, on the validation split.
TARGETS = (("high", 0.05), ("moderate", 0.15))
# The share of wrong verdicts among fewer images says little.
FEWEST_IMAGES = 50


@torch.inference_mode()
def logits(tail: Tail, batches: Batches) -> tuple[Floats, NDArray[np.int64]]:
    """Return the uncalibrated logits and labels (N,) of all batches."""
    tail.eval()
    device = next(tail.parameters()).device
    found = [(tail(batch.to(device)).double().cpu(), label) for batch, label, _ in batches]
    values, labels = (torch.cat(part).numpy() for part in zip(*found, strict=True))
    return values, labels.astype(np.int64)


def platt(logit: Floats, label: NDArray[np.int64]) -> tuple[float, float]:
    """Return the scale and bias that make sigmoid(scale * logit + bias) fit the labels best.

    Platt, "Probabilistic outputs for support vector machines", 1999, with its smoothed targets, which keep
    the scale finite where the classes are separated. Raises DataError if a higher logit goes with fewer real
    images.
    """
    real = int(label.sum())
    target = np.where(label == 1, (real + 1) / (real + 2), 1 / (len(label) - real + 2))
    # The library takes no soft targets: every image counts as real by its target, and as fake by the rest.
    fitted = LogisticRegression(C=np.inf).fit(
        np.concatenate([logit, logit])[:, None],
        np.repeat([1, 0], len(logit)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    scale, bias = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if scale <= 0:
        raise DataError(
            "The checkpoint ranks real images below fake ones: train it further before calibrating."
        )
    return scale, bias


def fair_bias(logit: Floats, label: NDArray[np.int64], scale: float, bias: float, gap: float) -> float:
    """Return the bias nearest to this one with which the accuracies of both classes, at 0.5, are close.

    They then differ by at most `gap`, or as little as they can. Over the bias the likelihood has one maximum,
    so that of those that are allowed, the nearest to it is the likeliest.
    """
    real, fake, every = np.sort(logit[label == 1]), np.sort(logit[label == 0]), np.unique(logit)
    thresholds = np.append((every[1:] + every[:-1]) / 2, -bias / scale)
    accused = np.searchsorted(real, thresholds) / len(real)
    missed = 1 - np.searchsorted(fake, thresholds) / len(fake)
    gaps = np.abs(accused - missed)
    allowed = thresholds[gaps <= max(gap, gaps.min())]
    return -scale * float(allowed[np.abs(allowed + bias / scale).argmin()])


def certainty_levels(probability: Floats, label: NDArray[np.int64]) -> list[Level]:
    """Return the levels, highest first, each with its lower bound and its share of wrong verdicts.

    A level reaches as far down as its share of wrong verdicts stays within its target; where no bound
    achieves that, it begins where the share is smallest. A level of fewer than FEWEST_IMAGES is left out.
    """
    confidence = np.maximum(probability, 1 - probability)
    wrong = (probability >= 0.5) != (label == 1)
    levels: list[Level] = []
    upper = np.inf
    for name, target in TARGETS:
        bound = _lower_bound(confidence, wrong, upper, target)
        if bound is not None:
            levels.append(_level(name, bound, confidence, wrong, upper))
            upper = bound
    return [*levels, _level("low", 0.5, confidence, wrong, upper)]


def _lower_bound(confidence: Floats, wrong: NDArray[np.bool_], upper: float, target: float) -> float | None:
    bounds: Sequence[float] = [round(0.5 + 0.01 * step, 2) for step in range(1, 50)]
    shares = {}
    for bound in bounds:
        inside = (confidence >= bound) & (confidence < upper)
        if inside.sum() >= FEWEST_IMAGES:
            shares[bound] = float(wrong[inside].mean())
    if not shares:
        return None
    within = [bound for bound, share in shares.items() if share <= target]
    return min(within) if within else min(shares, key=lambda bound: shares[bound])


def _level(name: str, bound: float, confidence: Floats, wrong: NDArray[np.bool_], upper: float) -> Level:
    inside = (confidence >= bound) & (confidence < upper)
    error = round(float(wrong[inside].mean()), 4) if inside.any() else None
    return {
        "name": name,
        "confidence_from": bound,
        "observed_error": error,
        "share_of_images": round(float(inside.mean()), 4),
    }
