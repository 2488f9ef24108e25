"""Quantization-aware training: the backbone computes as in 8 bits, and learns to stand it.

Weights and activations are rounded on the way forward, and gradients pass as if they were not (Jacob et al.,
"Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018).
"""

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from training.model import Detector
from training.pixels import PIXEL_STD
from training.quantize import rounded

LEVELS = 255  # steps from the lowest to the highest value of a byte


def round_as_int8(detector: Detector) -> None:
    """Let a detector's backbone round from now on, where the int8 module does.

    Its weights stay as exact as they were: what is saved of it is a detector for every precision. Each batch
    is rounded in its own range, where the int8 module has one range for all, and equalises channels before.
    """
    detector.stem.get_submodule("conv1").__class__ = _RoundedFirst
    detector.stem.get_submodule("maxpool").register_forward_hook(_round_output)
    for block in [*detector.stem.modules(), *detector.layer4.modules()]:
        if not isinstance(block, Bottleneck):
            continue
        # Normalisation, the sum and ReLU are one operation with the convolution before them.
        for part in filter(None, (block.relu, block.downsample)):
            part.register_forward_hook(_round_output)
        for part in block.modules():
            if isinstance(part, nn.Conv2d):
                part.__class__ = _RoundedConv2d


class _RoundedConv2d(nn.Conv2d):
    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output: Tensor = super()._conv_forward(x, rounded(weight), bias)
        return output


class _RoundedFirst(nn.Conv2d):
    """Has the weights that the int8 module's first convolution has, which reads pixels as they are."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        std = PIXEL_STD.to(weight).view(3, 1, 1)
        output: Tensor = super()._conv_forward(x, rounded(weight / std) * std, bias)
        return output


def _round_output(_module: nn.Module, _inputs: tuple[Tensor], output: Tensor) -> Tensor:
    low, high = output.detach().aminmax()
    # The int8 module's zero point is a whole number of steps: what it can hold are multiples of one, as here.
    step = (high.clamp(min=0) - low.clamp(max=0)).clamp(min=torch.finfo(torch.float32).eps) / LEVELS
    rounded_output: Tensor = _Straight.apply(output, step)
    return rounded_output


class _Straight(torch.autograd.Function):
    """Rounds to multiples of a step; the gradient passes unchanged."""

    @staticmethod
    def forward(_ctx: object, x: Tensor, step: Tensor) -> Tensor:
        return x.div(step).round_().mul_(step)

    @staticmethod
    def backward(_ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
