"""What is trained, at which rate, and the average of the weights on the way."""

from copy import deepcopy
from math import cos, pi

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from training.hyperparameters import HyperParameters
from training.model import Detector

# From the head down to the first layers: the stages that can be unfrozen, and the names of their parts.
STAGES: tuple[tuple[str, ...], ...] = (("layer4",), ("layer3",), ("layer2",), ("layer1",), ("conv1", "bn1"))
UNFROZEN = {"none": 0, "layer4": 1, "layer3": 2, "layer2": 3, "all": len(STAGES)}


def optimizer_of(detector: Detector, hp: HyperParameters) -> Optimizer:
    """Freeze what the run does not train, and return the optimizer of the parameters that it does.

    Each stage has `layer_decay` times the learning rate of the stage after it (Howard and Ruder, "Universal
    language model fine-tuning for text classification", ACL 2018, section 3.2; as a constant factor in Bao et
    al., "BEiT", ICLR 2022). Biases and normalisation are not decayed. Without weight decay AdamW is Adam.
    """
    detector.requires_grad_(False)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    parts: list[tuple[nn.Module, float]] = [(detector.head, 1.0)]
    for depth, names in enumerate(STAGES[: UNFROZEN[hp.unfreeze]], start=1):
        parts += [(_part(detector, name), hp.layer_decay**depth) for name in names]
    for part, factor in parts:
        for parameter in part.requires_grad_(True).parameters():
            decay = hp.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((hp.learning_rate * factor, decay), []).append(parameter)
    return AdamW(
        [
            {"params": parameters, "lr": rate, "weight_decay": decay, "full_rate": rate}
            for (rate, decay), parameters in groups.items()
        ]
    )


def _part(detector: Detector, name: str) -> nn.Module:
    part: nn.Module = detector.layer4 if name == "layer4" else getattr(detector.stem, name)
    return part


def follow_cosine(optimizer: Optimizer, hp: HyperParameters, position: float) -> None:
    """Set the rates for a position in epochs: linear warm-up, then half a cosine down to zero.

    Loshchilov and Hutter, "SGDR", ICLR 2017, equation 5, without restarts.
    """
    if position < hp.warmup:
        factor = position / hp.warmup
    else:
        factor = 0.5 * (1 + cos(pi * (position - hp.warmup) / max(hp.epochs - hp.warmup, 1e-9)))
    for group in optimizer.param_groups:
        group["lr"] = group["full_rate"] * factor


class Average:
    """An exponential moving average of a detector's weights and statistics.

    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the decay grows with
    the steps, (1 + n) / (10 + n) up to its full value, so that the first weights are soon forgotten.
    """

    def __init__(self, detector: Detector, decay: float) -> None:
        self.detector = deepcopy(detector).requires_grad_(False)
        self.decay, self.steps = decay, 0
        pairs = zip(self.detector.state_dict().values(), detector.state_dict().values(), strict=True)
        floating = [(mine, latest) for mine, latest in pairs if mine.is_floating_point()]
        self._averaged, self._latest = ([pair[side] for pair in floating] for side in (0, 1))

    @torch.no_grad()
    def update(self) -> None:
        """Take in the latest weights of the detector, which must still be where they were."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self._averaged, self._latest, 1 - decay)
