"""What the model store knows of lower precisions: how 8 bits are made, and what each costs in quality."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from training.quantize import Calibration
from training.store import NAME, read_card

FILE = "precisions.json"
CHANNELS = f"{NAME}.int8.safetensors"  # what was measured of each channel
Comparison = dict[str, Any]
# The module that serves in each precision: bf16 and fp16 are float32's, whose weights are rounded on loading.
MODULES = {
    "fp32": f"{NAME}.pt",
    "int8": f"{NAME}.int8.pt",
    "bf16": f"{NAME}.pt",
    "fp16": f"{NAME}.pt",
}


def write_calibration(store: Path, calibration: Calibration, images: int) -> Path:
    """Store what 8 bits need, found on that many images, and forget what was measured with an earlier one."""
    about = {"weights_sha256": read_card(store)["weights_sha256"], "calibration_images": images}
    measured = {"peaks": calibration.peaks, "means": calibration.means}
    channels = {f"{of}.{name}": each for of, found in measured.items() for name, each in found.items()}
    save_file(channels, store / CHANNELS)
    found = {"logit_correction": calibration.correction, "activations": calibration.ranges}
    return _write(store, about | {"compared": {}} | found)


def write_comparison(store: Path, precision: str, comparison: Comparison) -> Path:
    """Store what a precision was measured to cost."""
    known = _read(store) or {"weights_sha256": read_card(store)["weights_sha256"], "compared": {}}
    return _write(store, known | {"compared": known["compared"] | {precision: comparison}})


def read_calibration(store: Path) -> Calibration | None:
    """Return what 8 bits need with the stored weights, or None where it was not measured."""
    known = _read(store) or {}
    if "activations" not in known or not (store / CHANNELS).exists():
        return None
    ranges = {name: (float(scale), int(zero)) for name, (scale, zero) in known["activations"].items()}
    channels = load_file(store / CHANNELS)
    peaks, means = (
        {name.removeprefix(of): each for name, each in channels.items() if name.startswith(of)}
        for of in ("peaks.", "means.")
    )
    return Calibration(peaks, ranges, means, float(known["logit_correction"]))


def read_comparisons(store: Path) -> dict[str, Comparison]:
    """Return what each precision in which the stored weights were compared with float32 was found to cost."""
    compared: dict[str, Comparison] = (_read(store) or {}).get("compared", {})
    return compared


def passed(store: Path) -> list[str]:
    """Return the precisions in which the stored weights were compared with float32, and passed."""
    return [precision for precision, comparison in read_comparisons(store).items() if comparison["passed"]]


def _read(store: Path) -> dict[str, Any] | None:
    path = store / FILE
    if not path.exists():
        return None
    known: dict[str, Any] = json.loads(path.read_text())
    # Ranges and figures of other weights say nothing about these.
    return known if known["weights_sha256"] == read_card(store)["weights_sha256"] else None


def _write(store: Path, known: dict[str, Any]) -> Path:
    path = store / FILE
    path.write_text(json.dumps(known, indent=1) + "\n")
    return path
