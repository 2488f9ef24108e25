"""How a batch goes through the module: in one pass or several, with the same answers."""

import time
from pathlib import Path

import pytest
import torch

from handler.network import Judged, Network
from handler.precision import load
from handler.preprocessing import IMAGE_SIZE

CPU = torch.device("cpu")


def pixels_of(images: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (images, IMAGE_SIZE, IMAGE_SIZE, 3)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def module(archive: Path) -> torch.jit.ScriptModule:
    return load(archive / "deepfake.pt", "fp32", CPU)


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_answers_do_not_depend_on_the_passes(
    module: torch.jit.ScriptModule, passes: int, explain: bool
) -> None:
    pixels = pixels_of(5)
    network = Network(module, "fp32", CPU, threads=3)
    network.passes = passes
    together = network.judge(pixels, explain=explain)
    for image, (probability, evidence) in zip(pixels, together, strict=True):
        [(alone, _)] = network.judge(image[None], explain=False)
        assert probability == pytest.approx(alone, abs=1e-6)
        assert (evidence is not None) == explain


@pytest.mark.parametrize("fastest", [1, 2, 4, 5])
def test_batches_are_split_as_is_fastest(module: torch.jit.ScriptModule, fastest: int) -> None:
    class Slow(Network):
        def judge(self, pixels: torch.Tensor, *, explain: bool) -> list[Judged]:  # noqa: ARG002
            time.sleep(0.001 if self.passes == fastest else 0.02)
            return []

    network = Slow(module, "fp32", CPU, threads=5)
    network.choose_passes(pixels_of(8))
    assert network.passes == fastest


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_work_of_a_gpu_gives_the_same_answers(archive: Path) -> None:
    device = torch.device("cuda")
    network = Network(load(archive / "deepfake.pt", "fp32", device), "fp32", device, threads=1)
    batches = [pixels_of(5), 255 - pixels_of(5), pixels_of(2)]
    direct = [network.judge(pixels, explain=False) for pixels in batches]
    network.record(batches[0])
    assert sorted(network.recorded) == [1, 2, 3, 4, 5]
    for pixels, expected in zip(batches, direct, strict=True):
        found = network.judge(pixels, explain=False)
        assert [each for each, _ in found] == pytest.approx([each for each, _ in expected], abs=1e-6)


def test_lone_image_is_one_pass_of_all_threads(module: torch.jit.ScriptModule) -> None:
    network = Network(module, "fp32", CPU, threads=4)
    network.choose_passes(pixels_of(1))
    assert network.passes == 1
