"""Rates of the stages, their course over the epochs, and the average of weights."""

from pathlib import Path

import pytest
import torch

from training.hyperparameters import HyperParameters
from training.model import Detector, imagenet_backbone
from training.optimise import Average, follow_cosine, optimizer_of


@pytest.fixture
def detector(backbone: Path) -> Detector:
    return Detector(imagenet_backbone(backbone), (8,), 0.5)


def rates(detector: Detector, hp: HyperParameters) -> dict[str, tuple[float, float]]:
    """Return the learning rate and weight decay of each parameter that is trained."""
    names = {id(parameter): name for name, parameter in detector.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer_of(detector, hp).param_groups
        for parameter in group["params"]
    }


def test_deeper_stages_learn_more_slowly(detector: Detector) -> None:
    hp = HyperParameters(unfreeze="all", learning_rate=1.0, layer_decay=0.5, weight_decay=0.1)
    found = rates(detector, hp)
    assert len(found) == len(list(detector.parameters()))
    assert found["head.0.weight"] == (1.0, 0.1)
    assert found["head.0.bias"] == (1.0, 0)
    assert found["layer4.0.conv1.weight"] == (0.5, 0.1)
    assert found["layer4.0.bn1.weight"] == (0.5, 0)
    assert found["stem.layer3.0.conv1.weight"] == (0.25, 0.1)
    assert found["stem.conv1.weight"] == (0.5**5, 0.1)


@pytest.mark.parametrize(
    ("unfreeze", "first"),
    [
        ("none", "head.0"),
        ("layer4", "layer4.0.conv1"),
        ("layer3", "stem.layer3.0.conv1"),
        ("layer2", "stem.layer2.0.conv1"),
    ],
)
def test_earlier_stages_stay_frozen(detector: Detector, unfreeze: str, first: str) -> None:
    trained = set(rates(detector, HyperParameters.from_dict({"unfreeze": unfreeze})))
    names = [name for name, _ in detector.named_parameters()]
    assert trained == set(names[names.index(f"{first}.weight") :])
    assert {name for name, parameter in detector.named_parameters() if parameter.requires_grad} == trained


def test_cosine_warms_up_and_ends_at_zero(detector: Detector) -> None:
    hp = HyperParameters(schedule="cosine", epochs=5, warmup=1, learning_rate=0.2)
    optimizer = optimizer_of(detector, hp)
    course = []
    for position in (0.5, 1.0, 3.0, 5.0):
        follow_cosine(optimizer, hp, position)
        course.append(optimizer.param_groups[0]["lr"])
    assert course == pytest.approx([0.1, 0.2, 0.1, 0.0])


def test_average_follows_the_weights_and_the_statistics_of_the_head(detector: Detector) -> None:
    average = Average(detector, decay=0.5)
    weight = detector.head[0].weight
    start = weight.detach().clone()
    with torch.no_grad():
        weight += 1.0
        detector.head[1].running_mean += 1.0
    # The first step's decay is 2 / 11, below 0.5.
    average.update()
    assert torch.allclose(average.detector.head[0].weight, start + 9 / 11)
    assert torch.allclose(average.detector.head[1].running_mean, torch.tensor(9 / 11))
    for _ in range(60):
        average.update()
    assert torch.allclose(average.detector.head[0].weight, weight)
    assert torch.equal(average.detector.stem.conv1.weight, detector.stem.conv1.weight)
