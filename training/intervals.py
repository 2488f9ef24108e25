"""How far figures would move with other images of the same kind: bootstrap intervals."""

import numpy as np
from numpy.typing import NDArray

from training.labels import FAKE, REAL

DRAWS = 1000
LEVEL = 0.95
_DRAWS_AT_ONCE = 100  # bounds the memory: a weight for each of them and each image

Interval = tuple[float, float]


def intervals(
    label: NDArray[np.int64], probability: NDArray[np.float64], seed: int = 0
) -> dict[str, Interval]:
    """Return 95 % intervals of accuracy at 0.5 and, where there are both classes, of the ROC AUC.

    Percentiles of the figures of DRAWS samples with replacement, drawn within each class (Efron and
    Tibshirani, "An introduction to the bootstrap", 1993, chapter 13). Images are drawn, not people: where
    people repeat, the intervals are too narrow.
    """
    rng = np.random.default_rng(seed)
    order = np.argsort(probability, kind="stable")
    label, probability = label[order], probability[order]
    right = (probability >= 0.5) == (label == REAL)
    ties = np.flatnonzero(np.diff(probability, prepend=-np.inf))  # where equal probabilities begin
    both = len(np.unique(label)) == 2
    accuracy, auc = [], []
    for _ in range(DRAWS // _DRAWS_AT_ONCE):
        times = _times_drawn(label, rng)
        accuracy.append(times @ right / len(label))
        if both:
            auc.append(_auc(times, label, ties))
    drawn = {"accuracy": np.concatenate(accuracy)} | ({"roc_auc": np.concatenate(auc)} if both else {})
    tail = 50 * (1 - LEVEL)
    return {name: _pair(np.percentile(values, [tail, 100 - tail])) for name, values in drawn.items()}


def _times_drawn(label: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    times = np.zeros((_DRAWS_AT_ONCE, len(label)))
    for value in (FAKE, REAL):
        rows = np.flatnonzero(label == value)
        if len(rows):
            times[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), _DRAWS_AT_ONCE)
    return times


def _auc(times: NDArray[np.float64], label: NDArray[np.int64], ties: NDArray[np.intp]) -> NDArray[np.float64]:
    # Mann and Whitney: the share of pairs whose real image has the higher probability; a tie counts half.
    fake, real = (np.add.reduceat(times * (label == value), ties, axis=1) for value in (FAKE, REAL))
    below = np.cumsum(fake, axis=1) - fake / 2
    found: NDArray[np.float64] = (real * below).sum(1) / (real.sum(1) * fake.sum(1))
    return found


def _pair(values: NDArray[np.float64]) -> Interval:
    return round(float(values[0]), 4), round(float(values[1]), 4)
