"""The model store: the committed weights and model.json, and the way back to a detector."""

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torchvision.models import resnet50

from training.model import Detector

STORE = Path("model_store")
NAME = "deepfake"
Card = dict[str, Any]


class StoreError(Exception):
    """The model store is incomplete, or its parts do not belong together."""


def save_model(detector: Detector, store: Path, card: Card) -> Card:
    """Write the weights in half precision, and model.json with their SHA-256; return the latter's content."""
    store.mkdir(parents=True, exist_ok=True)
    half = {name: t.half() if t.is_floating_point() else t for name, t in detector.state_dict().items()}
    data = safetensors.torch.save({name: t.cpu().contiguous() for name, t in half.items()})
    (store / f"{NAME}.safetensors").write_bytes(data)
    card = card | {"weights_sha256": hashlib.sha256(data).hexdigest()}
    write_card(card, store)
    return card


def write_card(card: Card, store: Path) -> None:
    """Write model.json, the description that travels in the archive."""
    (store / "model.json").write_text(json.dumps(card, indent=2) + "\n")


def read_card(store: Path) -> Card:
    """Read model.json."""
    path = store / "model.json"
    if not path.exists():
        raise StoreError(f"{path} is missing: `python -m training calibrate` writes it.")
    card: Card = json.loads(path.read_text())
    return card


def load(store: Path) -> tuple[Detector, Card]:
    """Return the stored detector, calibrated, in float32 and evaluation mode, and its model.json.

    Raises StoreError if a file is missing, or if the weights are not those that model.json describes.
    """
    detector, card = load_uncalibrated(store, dropout=0.0)
    detector.flip = bool(card.get("flip", False))
    detector.scale = torch.tensor(float(card["calibration"]["scale"]))
    detector.bias = torch.tensor(float(card["calibration"]["bias"]))
    return detector.eval(), card


def load_uncalibrated(store: Path, dropout: float) -> tuple[Detector, Card]:
    """Return the stored detector as training left it, to be trained further, and its model.json.

    Raises StoreError as `load` does.
    """
    card = read_card(store)
    path = store / f"{NAME}.safetensors"
    if not path.exists():
        raise StoreError(f"{path} is missing: `python -m training calibrate` writes it.")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != card["weights_sha256"]:
        raise StoreError(f"{path} is not the file that model.json describes: its SHA-256 differs.")
    detector = Detector(resnet50(weights=None), card["training"]["head_widths"], dropout)
    weights = safetensors.torch.load(data)
    detector.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in weights.items()})
    return detector, card
