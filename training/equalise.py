"""Channels that share a range of 8 bits get peaks that are more alike: none is rounded far more coarsely."""

from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from training.model import Detector

# How much of the difference between channels goes from the activations to the weights (SmoothQuant's alpha):
# after the first convolution, and inside the blocks. Of what was tried between 0.5 and 1, these move the
# logits least.
FIRST_MIGRATION, MIGRATION = 0.85, 0.7
FIRST = "stem.bn1"


def channel_peaks(detector: Detector, batches: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return the largest activation (C,) of every channel that can be rescaled.

    The batches (N, 3, 224, 224) hold normalised images.
    """
    peaks: dict[str, Tensor] = {}
    hooks = [
        detector.get_submodule(convolutions[0]).register_forward_pre_hook(partial(_keep_peak, peaks, name))
        for name, convolutions in rescalable(detector)
    ]
    with torch.inference_mode():
        for batch in batches:
            detector.maps(batch)
    for hook in hooks:
        hook.remove()
    return peaks


def equalise(backbone: nn.Module, peaks: dict[str, Tensor]) -> None:
    """Divide activations, and multiply the weights that they meet: what is computed stays the same.

    By SmoothQuant's formula (Xiao et al., ICML 2023, equation 4). The backbone has the detector's `stem` and
    `layer4`, and `peaks` all that can be rescaled.
    """
    for name, convolutions in rescalable(backbone):
        weights = [backbone.get_parameter(f"{each}.weight").data for each in convolutions]
        weight = torch.stack([each.abs().amax((0, 2, 3)) for each in weights]).amax(0)
        # Of a channel that is hardly ever active, the peak says little.
        peak, weight = (each.clamp(min=each.max() / 1000) for each in (peaks[name], weight))
        migration = FIRST_MIGRATION if name == FIRST else MIGRATION
        divisor = peak**migration / weight ** (1 - migration)
        for affine in ("weight", "bias"):
            backbone.get_parameter(f"{name}.{affine}").data.div_(divisor)
        for each in weights:
            each.mul_(divisor.view(1, -1, 1, 1))


def rescalable(backbone: nn.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of normalisations whose channels convolutions alone read, and of these.

    Between them is ReLU or pooling, which a positive factor passes through.
    """
    yield FIRST, ["stem.layer1.0.conv1", "stem.layer1.0.downsample.0"]
    for name, part in backbone.named_modules():
        if isinstance(part, Bottleneck):
            yield f"{name}.bn1", [f"{name}.conv2"]
            yield f"{name}.bn2", [f"{name}.conv3"]


def _keep_peak(peaks: dict[str, Tensor], name: str, _module: nn.Module, inputs: tuple[Tensor]) -> None:
    peaks[name] = torch.maximum(peaks.get(name, torch.zeros(())), inputs[0].amax((0, 2, 3)))
