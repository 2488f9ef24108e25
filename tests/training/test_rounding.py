"""Quantization-aware training: what is computed is rounded, what is learnt and saved is not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from handler.preprocessing import normalise
from tests.training.conftest import succeed, train_arguments
from training.checkpoint import read
from training.export import sample_images
from training.model import Detector, imagenet_backbone
from training.quantize import calibrate, quantized, rounded
from training.rounding import round_as_int8

FINEST = 256  # values of a byte


@pytest.fixture
def images() -> Tensor:
    return normalise(torch.from_numpy(sample_images()[:4]))


def test_every_convolution_sees_and_holds_at_most_a_byte(backbone: Path, images: Tensor) -> None:
    detector = Detector(imagenet_backbone(backbone), (8,), 0.5).eval()
    round_as_int8(detector)
    seen: dict[str, int] = {}
    for name, part in detector.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_pre_hook(
                lambda _module, inputs, name=name: seen.update({name: len(inputs[0].unique())})
            )
    with torch.inference_mode():
        detector(images)
    assert len(seen) == 53
    # Those of the image itself, normalised with another scale for each of its channels.
    assert seen.pop("stem.conv1") <= 3 * FINEST
    assert max(seen.values()) <= FINEST
    first = detector.stem.conv1
    assert not torch.equal(first(images), nn.functional.conv2d(images, first.weight, stride=2, padding=3))
    weight = detector.layer4[0].conv2.weight
    assert max(len(channel.unique()) for channel in rounded(weight)) <= FINEST
    assert len(weight[0].unique()) > FINEST


def test_rounds_about_as_much_as_the_int8_module(backbone: Path, images: Tensor) -> None:
    detector = Detector(imagenet_backbone(backbone), (8,), 0.5).eval()
    exact = detector.maps(images).detach()
    served = quantized(detector, calibrate(detector, [images], [images])).maps(images).detach()
    round_as_int8(detector)
    trained = detector.maps(images).detach()
    ratio = float((trained - exact).norm() / (served - exact).norm())
    assert 0.5 < ratio < 2


def test_all_stages_learn_through_the_rounding(
    csv: Path, backbone: Path, cache: Path, tmp_path: Path
) -> None:
    arguments = train_arguments(
        csv, backbone, cache, tmp_path, 1, "--unfreeze", "all", "--quantization-aware"
    )
    succeed(*arguments)
    before, after = torch.load(backbone, weights_only=True), read(tmp_path / "best.ckpt")["weights"]
    for name in ("conv1", "layer1.0.conv2", "layer2.0.downsample.0", "layer3.1.conv1"):
        assert not torch.equal(after[f"stem.{name}.weight"], before[f"{name}.weight"])
    assert not torch.equal(after["layer4.2.conv3.weight"], before["layer4.2.conv3.weight"])
    assert len(after["layer4.0.conv2.weight"][0].unique()) > FINEST
