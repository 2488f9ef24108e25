"""A verdict never contradicts itself, at the edges of labels and levels too."""

import pytest

from handler.verdict import verdict

LEVELS = [
    {"name": "high", "confidence_from": 0.9},
    {"name": "moderate", "confidence_from": 0.7},
    {"name": "low", "confidence_from": 0.5},
]


@pytest.mark.parametrize(
    ("probability", "label", "certainty"),
    [
        (0.0, "fake", "high"),
        (0.1, "fake", "high"),
        (0.100001, "fake", "moderate"),
        (0.499999, "fake", "low"),
        (0.5, "real", "low"),
        (0.7, "real", "moderate"),
        (0.899999, "real", "moderate"),
        (0.9, "real", "high"),
        (1.0, "real", "high"),
    ],
)
def test_label_and_certainty_follow_the_probability(probability: float, label: str, certainty: str) -> None:
    answer = verdict(probability, LEVELS, "deepfake", "1.0")
    assert (answer["label"], answer["certainty"]) == (label, certainty)
    assert answer["confidence"] == pytest.approx(max(probability, 1 - probability))


@pytest.mark.parametrize("probability", [0.4999999, 0.5000001, 0.8999999, 0.1000001, 0.6999999])
def test_rounding_changes_all_fields_alike(probability: float) -> None:
    answer = verdict(probability, LEVELS, "deepfake", "1.0")
    assert answer == verdict(answer["probability_real"], LEVELS, "deepfake", "1.0")


@pytest.mark.parametrize("probability", [0.5, float("nan")])
def test_confidence_outside_all_levels_is_an_error(probability: float) -> None:
    with pytest.raises(ValueError, match="no certainty level"):
        verdict(probability, [{"name": "high", "confidence_from": 0.9}], "deepfake", "1.0")
