"""The 8-bit backbone: it reads the image as it is, and its mean verdict is that of float32."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from handler.preprocessing import normalise
from training.export import sample_images
from training.model import Detector, imagenet_backbone
from training.quantize import calibrate, quantized

# ImageNet's mean in bytes: what is zero once normalised.
MEAN = [124, 116, 104]


@pytest.fixture
def detector(backbone: Path) -> Detector:
    return Detector(imagenet_backbone(backbone), (8,), 0.5).eval()


def test_every_byte_of_the_image_reaches_the_first_convolution(detector: Detector) -> None:
    every_byte = torch.arange(3 * 256).remainder(256).repeat(196).reshape(1, 224, 224, 3).to(torch.uint8)
    images = torch.cat([torch.from_numpy(sample_images()[:2]), every_byte])
    batch = normalise(images)
    served = quantized(detector, calibrate(detector, [batch], [batch]))
    pixels = served.stem[0](batch).int_repr()
    assert torch.equal(pixels[:, :, 3:-3, 3:-3], images.permute(0, 3, 1, 2))
    for edge in (pixels[:, :, :3], pixels[:, :, -3:], pixels[..., :3], pixels[..., -3:]):
        assert torch.equal(edge, torch.tensor(MEAN, dtype=torch.uint8).view(1, 3, 1, 1).expand_as(edge))


def test_the_mean_verdict_is_corrected_on_the_validation_images(detector: Detector) -> None:
    ranges, validation = normalise(torch.from_numpy(sample_images())).split(4)
    measured = calibrate(detector, [ranges], [validation])
    exact = _mean_logit(detector, validation)
    off, corrected = (
        abs(_mean_logit(quantized(detector, each), validation) - exact)
        for each in (measured._replace(correction=0), measured)
    )
    assert corrected < off / 10


def test_a_channel_far_larger_than_others_does_not_drown_them(detector: Detector) -> None:
    batch = normalise(torch.from_numpy(sample_images()[:4]))
    exact = detector.maps(batch).detach()

    def error() -> float:
        served = quantized(detector, calibrate(detector, [batch], [batch]))
        return float((served.maps(batch) - exact).norm() / exact.norm())

    before = error()
    for part in (detector.stem.layer1[0], detector.stem.layer3[2], detector.layer4[1]):
        part.bn1.weight.data[0] *= 50
        part.bn1.bias.data[0] *= 50
        part.conv2.weight.data[:, 0] /= 50
    assert torch.allclose(detector.maps(batch), exact, atol=1e-4)
    assert error() < 1.2 * before


def _mean_logit(detector: Detector, images: Tensor) -> float:
    with torch.inference_mode():
        logits = detector.calibrated(detector.logit(detector.maps(images).mean((2, 3))))
    return float(logits.double().mean())
