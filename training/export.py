"""From the model store to TorchScript, with proof that both compute the same."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sklearn.datasets
import torch
from torch import Tensor, nn

from handler.preprocessing import decode, normalise, resize
from training.model import Detector
from training.precisions import MODULES, read_calibration
from training.quantize import quantized
from training.store import load

TOLERANCE = 1e-5


class ParityError(Exception):
    """The exported module computes something else than the model it was made from."""


def export(store: Path, images: Sequence[Path] = ()) -> tuple[Path, float]:
    """Write the TorchScript module and return its path and the largest difference from eager mode.

    Raises ParityError, and writes nothing, if that is above TOLERANCE on any of the images (by default
    crops of scikit-learn's sample photographs), for probability, explanation or gradient.
    """
    detector, _ = load(store)
    inputs = normalise(torch.from_numpy(_read(images) if images else sample_images()))
    module = scripted(detector)
    data = io.BytesIO()
    torch.jit.save(module, data)
    data.seek(0)
    loaded = torch.jit.load(data)  # type: ignore[no-untyped-call]
    difference = parity(detector, loaded, inputs)
    path = store / MODULES["fp32"]
    path.write_bytes(data.getvalue())
    return path, difference


def export_int8(store: Path) -> Path | None:
    """Write the 8-bit TorchScript module and return its path, or None without a calibration for it.

    What it costs in quality, `python -m training gate` says.
    """
    path = store / MODULES["int8"]
    path.unlink(missing_ok=True)
    calibration = read_calibration(store)
    if calibration is None:
        return None
    torch.jit.save(scripted(quantized(load(store)[0], calibration)), path)
    return path


def scripted(module: nn.Module) -> torch.jit.ScriptModule:
    """Compile a module to TorchScript.

    PyTorch 2.14 knows its builtins by the id() of their functions, and keeps the ids of functions that it has
    replaced since (torch._ops refreshes them). A list or a number of ours that took the place of one in
    memory would be compiled as that builtin, and fail.
    """
    builtins = torch.jit._builtins._get_builtin_table()  # type: ignore[no-untyped-call]
    for part in module.modules():
        for value in vars(part).values():
            if not callable(value):
                builtins.pop(id(value), None)
    return torch.jit.script(module)


def parity(detector: Detector, module: torch.jit.ScriptModule, inputs: Tensor) -> float:
    """Return how far the module, as the handler freezes it, is from the eager detector on these inputs."""
    served = torch.jit.freeze(module.eval(), preserved_attrs=["explain"])
    with torch.no_grad():
        expected, actual = detector(inputs), served(inputs)
    probability, _, gradient = detector.explain(inputs)
    explained, _, served_gradient = served.explain(inputs)
    pairs = [(expected, actual), (probability, explained), (expected, explained), (gradient, served_gradient)]
    difference = max(float((a - b).detach().abs().max()) for a, b in pairs)
    if not difference <= TOLERANCE:
        raise ParityError(f"The export differs from the model by {difference:g}, above {TOLERANCE:g}.")
    return difference


def sample_images() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return uint8 RGB (8, 224, 224, 3): two photographs, each whole and in part, and those mirrored."""
    images = []
    for photograph in sklearn.datasets.load_sample_images().images:
        height, width = photograph.shape[:2]
        for crop in (photograph, photograph[height // 2 :, width // 2 :]):
            images += [resize(crop), resize(np.ascontiguousarray(crop[:, ::-1]))]
    return np.stack(images)


def _read(paths: Sequence[Path]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.stack([resize(decode(path.read_bytes())) for path in paths])
