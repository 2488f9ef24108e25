"""The models that are served, and the answers that each must give: float32, in this process, eager."""

import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml
from model_archiver import ModelArchiver
from model_archiver.model_archiver_config import ModelArchiverConfig
from PIL import Image
from torchvision.models import resnet50
from torchvision.transforms import functional as transforms

from handler.precision import BY_SPEED, missing
from handler.preprocessing import IMAGENET_MEAN, IMAGENET_STD, decode, normalise, resize
from training.precisions import MODULES, passed
from training.store import load

CPU = torch.device("cpu")
# Largest difference of a probability from float32's. docs/serving.md has the distribution of it.
TOLERANCES = {"fp32": 1e-4, "int8": 0.1, "bf16": 0.05}


class Models:
    """Archives and modules, built in a folder from a model store."""

    def __init__(self, store: Path, folder: Path, settings: Mapping[str, int]) -> None:
        """Take a store with exported modules; `settings` win over its model-config.yaml."""
        self.store, self.folder, self.settings = store, folder, settings
        lower = [name for name in passed(store) if missing(name, CPU) is None]
        self.precisions = ["fp32", *lower]
        self.fastest = next(each for each in BY_SPEED["cpu"] if each in self.precisions)

    def module(self, precision: str) -> Path:
        """Return the TorchScript module of a precision."""
        return (self.store / MODULES[precision]).resolve()

    def store_for(self, precision: str) -> Path:
        """Return a model store whose archive asks for one precision, and is `make mar`'s otherwise."""
        store = self.folder / f"store-{precision}"
        store.mkdir()
        for name in {"model.json", "precisions.json", *MODULES.values()}:
            if (self.store / name).exists():
                (store / name).symlink_to((self.store / name).resolve())
        config = yaml.safe_load((self.store / "model-config.yaml").read_text()) | self.settings
        config["handler"] = {**config.get("handler", {}), "precision": precision}
        (store / "model-config.yaml").write_text(yaml.safe_dump(config))
        subprocess.run([sys.executable, "-m", "training", "archive", "--store", str(store)], check=True)
        return store

    def agrees(self, probability: float, data: bytes, precision: str) -> bool:
        """Tell whether a probability of real is the stored model's for an image, as its precision allows."""
        return abs(probability - self._probability(data)) <= TOLERANCES[precision]

    @cache  # noqa: B019  # the models live as long as the program
    def _probability(self, data: bytes) -> float:
        detector, _ = load(self.store)
        with torch.inference_mode():
            return float(detector(normalise(torch.from_numpy(resize(decode(data)))[None])))

    def stock(self) -> Path:
        """Return the archive of torchvision's ResNet50 with the handler that TorchServe brings.

        Its weights are drawn at random: they change neither its speed nor whether its answer is its own.
        """
        folder = self.folder / "store-stock"
        if not folder.exists():
            folder.mkdir()
            torch.jit.save(torch.jit.script(self._resnet()), folder / "resnet50.pt")
            config = ModelArchiverConfig(
                model_name="resnet50",
                version="1.0",
                handler="image_classifier",
                serialized_file=str(folder / "resnet50.pt"),
                export_path=str(folder),
            )
            ModelArchiver.generate_model_archive(config)
        return folder / "resnet50.mar"

    def agrees_with_stock(self, answer: dict[str, Any], data: bytes) -> bool:
        """Tell whether the first class of an answer is that of the same network in eager mode."""
        with Image.open(self._file(data)) as image:
            pixels = transforms.to_tensor(transforms.center_crop(transforms.resize(image, [256]), [224]))
        with torch.inference_mode():
            scores = self._resnet()(transforms.normalize(pixels, IMAGENET_MEAN, IMAGENET_STD)[None])
        return next(iter(answer)) == str(int(scores.argmax()))

    def _file(self, data: bytes) -> Path:
        path = self.folder / "checked.jpg"
        path.write_bytes(data)
        return path

    @cache  # noqa: B019  # the models live as long as the program
    def _resnet(self) -> torch.nn.Module:
        torch.manual_seed(0)
        network: torch.nn.Module = resnet50(weights=None).eval()
        return network
