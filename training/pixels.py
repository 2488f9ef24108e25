"""The image as the 8-bit backbone reads it: as the bytes it came in, so that nothing of it is rounded."""

import torch
from torch import Tensor, nn

from handler.preprocessing import IMAGENET_MEAN, IMAGENET_STD

# Of pixels in [0, 255], for each channel.
PIXEL_MEAN, PIXEL_STD = (255 * torch.tensor(of) for of in (IMAGENET_MEAN, IMAGENET_STD))
PADDING = 3  # that of ResNet's first convolution


class Pixels(nn.Module):
    """Turns normalised images (N, 3, H, W) back into the bytes that they were, which loses nothing.

    They are padded for the first convolution with the bytes nearest to what is zero once normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.padding = PADDING  # TorchScript sees no globals
        self.register_buffer("mean", PIXEL_MEAN)
        self.register_buffer("std", PIXEL_STD)
        self.mean: Tensor
        self.std: Tensor

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        around = self.padding
        # Row by row: over three channels at a time it would take five times as long.
        rows = x.permute(0, 2, 3, 1).reshape(n, height, width * channels)
        pixels = torch.addcmul(self.mean.repeat([width]), rows, self.std.repeat([width]))
        edge = torch.quantize_per_tensor(self.mean.repeat([width + 2 * around]), 1.0, 0, torch.quint8)
        padded = edge.expand([n, height + 2 * around, -1]).clone()
        padded[:, around : around + height, around * channels : (around + width) * channels] = (
            torch.quantize_per_tensor(pixels, 1.0, 0, torch.quint8)
        )
        return padded.view(n, height + 2 * around, width + 2 * around, channels).permute(0, 3, 1, 2)


def reading_pixels(first: nn.Conv2d) -> nn.Conv2d:
    """Return the first convolution as one that reads pixels in [0, 255], which are padded already."""
    convolution = nn.Conv2d(3, first.out_channels, first.kernel_size, first.stride)  # type: ignore[arg-type]
    weight = first.weight.detach() / PIXEL_STD.view(3, 1, 1)
    convolution.weight.data = weight
    assert convolution.bias is not None  # noqa: S101  # for mypy: one is made by default
    convolution.bias.data = -(weight.sum((2, 3)) @ PIXEL_MEAN)
    return convolution.eval()
