"""From a probability to the answer of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any


def verdict(
    probability: float, certainty: Sequence[Mapping[str, Any]], model: str, version: str
) -> dict[str, Any]:
    """Return the verdict on a probability of real; `certainty` are the levels of model.json, highest first.

    Raises ValueError if no level holds the confidence.
    """
    # Everything follows from the rounded number, so that no answer contradicts itself.
    probability_real = round(probability, 6)
    confidence = round(max(probability_real, 1 - probability_real), 6)
    level = next((level["name"] for level in certainty if confidence >= level["confidence_from"]), None)
    if level is None:
        raise ValueError(f"model.json gives no certainty level for a confidence of {confidence}")
    return {
        "label": "real" if probability_real >= 0.5 else "fake",
        "probability_real": probability_real,
        "confidence": confidence,
        "certainty": level,
        "model": model,
        "model_version": version,
    }
