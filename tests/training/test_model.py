"""The detector's own arithmetic."""

from pathlib import Path

import torch

from training.export import sample_images
from training.model import Detector, imagenet_backbone
from training.store import load


def test_explanation_equals_autograd_through_the_whole_network(store: Path) -> None:
    detector, _ = load(store)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    probability, feature_map, gradient = detector.explain(x)

    seen = []
    hook = detector.layer4.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    expected = detector(x)
    hook.remove()
    logit = torch.logit(expected.double())
    [everywhere] = torch.autograd.grad(logit.sum(), seen[0])
    assert torch.allclose(probability, expected, atol=1e-6)
    assert torch.allclose(feature_map, seen[0], atol=1e-5)
    # The pooled map is a mean over 49 positions: each carries a 49th of its gradient.
    for position in (everywhere[:, :, 0, 0], everywhere[:, :, 3, 6]):
        assert torch.allclose(gradient / 49, position, rtol=1e-3, atol=1e-9)
    assert gradient.abs().max() > 0


def test_calibration_scales_and_shifts_the_logit(store: Path) -> None:
    detector, _ = load(store)
    x = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        logit = detector.logit(detector.advance(x, "image", "pooled"))
        assert torch.allclose(detector(x), torch.sigmoid(1.5 * logit + 0.25), atol=1e-6)


def test_backbone_keeps_its_statistics_while_training(backbone: Path) -> None:
    detector = Detector(imagenet_backbone(backbone), (8,), 0.5).train()
    assert detector.head.training
    before = {name: buffer.clone() for name, buffer in detector.stem.named_buffers()}
    detector(torch.randn(4, 3, 224, 224))
    assert all(torch.equal(before[name], buffer) for name, buffer in detector.stem.named_buffers())


def test_samples_are_different_pictures() -> None:
    images = sample_images()
    assert images.shape == (8, 224, 224, 3)
    assert len({image.tobytes() for image in images}) == 8
