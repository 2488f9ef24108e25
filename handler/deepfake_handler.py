"""TorchServe's entry point: batches of image files in, verdicts or explanations out."""

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from handler.answers import Answer, count, failing
from handler.grad_cam import grad_cam
from handler.preprocessing import IMAGE_SIZE, BadImage, decode, normalise, resize
from handler.verdict import verdict

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
Image = NDArray[np.uint8]


class DeepfakeHandler:
    """Judges images; a bad image is answered by itself, and its neighbours in the batch as usual.

    `model-config.yaml` may set, under `handler:`, `threads` (of one worker; by default the cores shared
    evenly among `maxWorkers`).
    """

    def initialize(self, context: Any) -> None:
        """Load the archive's module and warm it up for every batch size that will be served."""
        properties = context.system_properties
        config: dict[str, Any] = context.model_yaml_config
        settings: dict[str, Any] = config.get("handler") or {}
        archive = Path(properties["model_dir"])

        workers = max(1, int(config.get("maxWorkers", 1)))
        self.threads = int(settings.get("threads") or max(1, torch.get_num_threads() // workers))
        torch.set_num_threads(self.threads)
        self.decoders = ThreadPoolExecutor(self.threads, thread_name_prefix="decode")

        gpu = properties.get("gpu_id")
        self.device = torch.device("cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}")
        self.name = str(context.model_name)
        self.version = str(context.manifest["model"]["modelVersion"])
        self.card: dict[str, Any] = json.loads((archive / "model.json").read_text())
        self.module = _load(archive / context.manifest["model"]["serializedFile"], self.device)
        self._warm_up(int(properties.get("batch_size") or 1))
        logger.info("%s %s is ready on %s, %d threads", self.name, self.version, self.device, self.threads)

    def handle(self, data: Sequence[Row], context: Any) -> list[Answer]:
        """Answer every row of a batch: a verdict, an explanation, a description, or its own error.

        An error's status is 400 for an image that cannot be judged, and 500, with a traceback in the log,
        for whatever is not the sender's fault.
        """
        answers: dict[int, Answer] = {}
        decoding: dict[int, Future[Image]] = {}
        for index, row in enumerate(data):
            if context.get_request_header(index, "describe") == "True":
                answers[index] = self.describe_handle()
            else:
                decoding[index] = self.decoders.submit(_read, row)
        images: dict[int, Image] = {}
        for index, future in decoding.items():
            with failing(answers, [index]):
                images[index] = future.result()

        explained = [i for i in images if context.get_request_header(i, "explain") == "True"]
        predicted = [i for i in images if i not in explained]
        with failing(answers, predicted):
            for index, probability in zip(
                predicted, self._predict([images[i] for i in predicted]), strict=True
            ):
                with failing(answers, [index]):
                    answers[index] = self._verdict(probability)
        for index in explained:
            with failing(answers, [index]):
                answers[index] = self._explain(images[index])

        for index, answer in answers.items():
            status = HTTPStatus(answer.get("code", 200))
            context.set_response_status(status.value, status.phrase, index)
            context.set_response_content_type(index, "application/json")
        count(answers.values(), context.metrics)
        return [answers[index] for index in range(len(data))]

    def describe_handle(self) -> Answer:
        """Say which model this is, what it was measured to do, and how it is run."""
        return {
            "model": self.name,
            "model_version": self.version,
            "device": str(self.device),
            "threads": self.threads,
            **self.card,
        }

    def _warm_up(self, batch_size: int) -> None:
        # The profiling executor specialises on the first two calls of every shape; a user must not wait
        # for that.
        blank = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        for size in range(1, batch_size + 1):
            for _ in range(2):
                self._predict([blank] * size)
        for _ in range(2):
            self._explain(blank)

    def _batch(self, images: Sequence[Image]) -> torch.Tensor:
        # Pixels travel as bytes: a quarter of what normalised floats would take.
        return normalise(torch.from_numpy(np.stack(images)).to(self.device))

    def _predict(self, images: Sequence[Image]) -> list[float]:
        if not images:
            return []
        with torch.inference_mode():
            probabilities: list[float] = self.module(self._batch(images)).tolist()
        return probabilities

    def _explain(self, image: Image) -> Answer:
        probability, feature_map, gradient = self.module.explain(self._batch([image]))
        answer = self._verdict(probability.item())
        # The gradient points towards "real"; for an image called fake, the evidence lies the other way.
        towards_label = gradient[0] if answer["label"] == "real" else -gradient[0]
        return answer | {"heatmap": {"method": "grad-cam", "grid": grad_cam(feature_map[0], towards_label)}}

    def _verdict(self, probability: float) -> Answer:
        return verdict(probability, self.card["certainty"], self.name, self.version)


def _load(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        # TorchScript is the contract with TorchServe; its deprecation is known and accepted.
        warnings.filterwarnings("ignore", "`torch.jit", category=FutureWarning)
        module = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]
        frozen: torch.jit.ScriptModule = torch.jit.freeze(module.eval(), preserved_attrs=["explain"])
    return frozen


def _read(row: Row) -> Image:
    # A multipart upload arrives under its field's name, a raw body under "body".
    data = row.get("data") if row.get("data") is not None else row.get("body")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise BadImage(
            "No image was sent: send its bytes as the body, with the Content-Type application/octet-stream, "
            "or as the multipart field 'data'."
        )
    return resize(decode(data))
