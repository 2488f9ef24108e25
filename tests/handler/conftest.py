"""A handler with a small module of the real one's contract, and batches as TorchServe makes them."""

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import ts
from torch import Tensor, nn
from ts.context import Context, RequestProcessor
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from handler.deepfake_handler import DeepfakeHandler
from training.archive import face_detector

CARD = {
    "version": "1.0",
    "certainty": [
        {"name": "high", "confidence_from": 0.9},
        {"name": "moderate", "confidence_from": 0.7},
        {"name": "low", "confidence_from": 0.5},
    ],
    "metrics": {"val": {"auc": 0.9}},
}


class Brightness(nn.Module):
    """Calls bright images real: the probability is the logistic of their mean, which a test can compute.

    Explaining a batch with a pure red image fails, in order to show what becomes of its neighbours.
    """

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map (N, 3, 7, 7): the mean of every cell of each channel."""
        return nn.functional.adaptive_avg_pool2d(x, 7)

    def forward(self, x: Tensor) -> Tensor:
        """Return the probability of real, (N,)."""
        return torch.sigmoid(4 * self.features(x).mean(dim=(1, 2, 3)))

    @torch.jit.export
    def explain(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return probability, feature map and the gradient of the logit."""
        channels = x.mean(dim=(2, 3))
        if bool(((channels[:, 0] > 2) & (channels[:, 1] < -2)).any()):
            raise ValueError("red")
        maps = self.features(x)
        return self.forward(x), maps, torch.full((x.shape[0], 3), 4 / 3)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like an unpacked archive."""
    folder = tmp_path_factory.mktemp("archive")
    module = torch.jit.script(Brightness())
    torch.jit.save(module, str(folder / "deepfake.pt"))
    (folder / "model.json").write_text(json.dumps(CARD))
    shutil.copy(face_detector(), folder)
    return folder


def make_context(archive: Path, batch_size: int = 2, **config: Any) -> Context:
    """Return the context that TorchServe's worker would pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its file to the garbage collector
        metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs/metrics.yaml"))
    metrics.initialize_cache()
    metrics.model_name = "deepfake"
    manifest = {"model": {"modelVersion": "1.0", "serializedFile": "deepfake.pt"}}
    return Context("deepfake", str(archive), manifest, batch_size, None, "0.12.0", True, metrics, config)


class Worker:
    """A handler with its context: hands it batches and collects statuses and answers."""

    def __init__(self, archive: Path, **config: Any) -> None:
        """Load the module."""
        self.context = make_context(archive, **config)
        self.handler = DeepfakeHandler()
        self.handler.initialize(self.context)

    def handle(
        self, rows: Sequence[dict[str, Any]], headers: Sequence[dict[str, str]] | None = None
    ) -> list[tuple[int, dict[str, Any]]]:
        """Return (status, answer) for each row; `headers` gives each row's request headers."""
        self.context.request_processor = [RequestProcessor(each) for each in headers or [{} for _ in rows]]
        self.context.request_ids = dict(enumerate(map(str, range(len(rows)))))
        self.context.metrics.request_ids = self.context.request_ids
        answers = self.handler.handle(rows, self.context)
        for index in range(len(rows)):
            assert self.context.get_response_content_type(index) == "application/json"
        return [(self.context.get_response_status(i)[0], answer) for i, answer in enumerate(answers)]


@pytest.fixture(scope="session")
def worker(archive: Path) -> Worker:
    """A worker with the default configuration."""
    return Worker(archive)
