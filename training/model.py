"""The detector: a ResNet50 backbone, a head of linear layers on its pooled features, and a calibration."""

import gzip
import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models import ResNet, ResNet50_Weights, resnet50

FEATURES = 2048
# Where activations can enter or leave the network: the normalised image (3, 224, 224), the third stage's map
# (1024, 14, 14), and the pooled features (FEATURES,).
Cut = Literal["image", "layer3", "pooled"]


class Detector(nn.Module):
    """Judges how probable it is that an image is real.

    The backbone is cut where training may stop the gradient: `stem` ends with the third stage, `layer4` is
    the last one. Its batch normalisation keeps its ImageNet statistics, in training too.
    """

    def __init__(self, backbone: ResNet, head_widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        stages = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3")
        self.stem = nn.Sequential(OrderedDict((name, getattr(backbone, name)) for name in stages))
        self.layer4 = backbone.layer4
        self.head = _head(head_widths, dropout)
        self.features = FEATURES  # TorchScript sees no globals
        # Not among the weights: model.json holds these, `store.load` puts them here.
        self.flip = False  # whether the logit is the mean over the image and its mirror image
        self.register_buffer("scale", torch.tensor(1.0), persistent=False)
        self.register_buffer("bias", torch.tensor(0.0), persistent=False)
        self.scale: Tensor
        self.bias: Tensor

    def train(self, mode: bool = True) -> "Detector":
        """Switch the head alone: the statistics of the backbone's batch normalisation stay as they are."""
        super().train(mode)
        self.stem.eval()
        self.layer4.eval()
        return self

    def advance(self, x: Tensor, start: Cut, stop: Cut) -> Tensor:
        """Carry a batch of activations from one cut to a later one."""
        if start == "image" and stop != "image":
            x = self.stem(x)
        if stop == "pooled" and start != "pooled":
            x = self.layer4(x).mean((2, 3))
        return x

    def maps(self, x: Tensor) -> Tensor:
        """Return the last feature map (N, FEATURES, 7, 7) of images.

        With `flip` that of the mirrored images, mirrored back, follows in as many channels more.
        """
        found: Tensor = self.layer4(self.stem(x)).float()
        if self.flip:
            mirrored = self.layer4(self.stem(x.flip([3]))).float()
            found = torch.cat([found, mirrored.flip([3])], dim=1)
        return found

    def logit(self, pooled: Tensor) -> Tensor:
        """Return the uncalibrated logit (N,) of "real" for pooled features (N, FEATURES).

        Of several in one row, (N, k * FEATURES), it is the mean.
        """
        found: Tensor = self.head(pooled.reshape(-1, self.features))
        return found.view(len(pooled), -1).mean(1)

    def calibrated(self, logit: Tensor) -> Tensor:
        """Return the logit (N,) after Platt scaling: scale * logit + bias."""
        return self.scale * logit + self.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return the calibrated probability of real (N,) for images (N, 3, 224, 224).

        The images have the type of the backbone's weights, which serving may lower; the head's is float32.
        """
        pooled = self.maps(x).mean((2, 3))
        return torch.sigmoid(self.calibrated(self.logit(pooled)))

    @torch.jit.export
    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the probability (N,), the feature map as `maps` gives it, and the head's gradient.

        The gradient, for each of the map's channels, is that of the calibrated logit of "real" with respect
        to the pooled map: up to the factor 1 / 49 it is the gradient at every position of the map, which
        Grad-CAM averages.
        Call it where gradients are enabled: TorchScript cannot enable them.
        """
        with torch.no_grad():
            feature_map = self.maps(x)
        pooled = feature_map.mean((2, 3)).detach().requires_grad_(True)
        logit = self.calibrated(self.logit(pooled))
        gradient = torch.autograd.grad([logit.sum()], [pooled])[0]
        assert gradient is not None  # noqa: S101  # TorchScript types the gradient as optional
        return torch.sigmoid(logit).detach(), feature_map, gradient


def _head(widths: Sequence[int], dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = FEATURES
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.LeakyReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, 1))


def imagenet_backbone(path: Path | None = None) -> ResNet:
    """Return a ResNet50 with ImageNet's weights: torchvision's, downloaded once, or those of a local file.

    The file holds a state dict of torchvision's `resnet50`, as .pth or .pth.gz.
    """
    if path is None:
        return resnet50(weights=ResNet50_Weights.IMAGENET1K_V2)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    backbone = resnet50(weights=None)
    backbone.load_state_dict(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    return backbone
