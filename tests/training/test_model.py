"""The detector's own arithmetic."""

from pathlib import Path

import torch

from handler.preprocessing import normalise
from training.export import parity, sample_images
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


def test_flip_averages_the_logits_of_an_image_and_its_mirror_image(store: Path) -> None:
    detector, _ = load(store)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        plain, mirrored = torch.logit(detector(x).double()), torch.logit(detector(x.flip(3)).double())
        detector.flip = True
        assert torch.allclose(torch.logit(detector(x).double()), (plain + mirrored) / 2, atol=1e-4)
        assert torch.allclose(detector(x), detector(x.flip(3)), atol=1e-6)
    module = torch.jit.script(detector)
    inputs = normalise(torch.from_numpy(sample_images()[:3]))
    assert parity(detector, module, inputs) < 1e-5


def test_flipped_explanation_is_the_sum_of_both_ways(store: Path) -> None:
    detector, _ = load(store)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(4))
    explained = [detector.explain(each)[1:] for each in (x, x.flip(3))]
    cams = [torch.einsum("nchw,nc->nhw", feature_map, gradient) for feature_map, gradient in explained]
    detector.flip = True
    _, feature_map, gradient = detector.explain(x)
    both = torch.einsum("nchw,nc->nhw", feature_map, gradient)
    assert torch.allclose(both, (cams[0] + cams[1].flip(2)) / 2, rtol=1e-3, atol=1e-6)


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
