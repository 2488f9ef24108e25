"""TorchServe's entry point: batches of image files in, verdicts or explanations out."""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from handler.preprocessing import IMAGE_SIZE, BadImage, decode, normalise, resize

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
Answer = dict[str, Any]


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
        threads = int(settings.get("threads") or max(1, len(os.sched_getaffinity(0)) // workers))
        torch.set_num_threads(threads)
        cv2.setNumThreads(1)  # images are decoded in parallel; threads inside one resize only get in the way
        self.decoders = ThreadPoolExecutor(threads, thread_name_prefix="decode")

        gpu = properties.get("gpu_id")
        self.device = torch.device("cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}")
        self.name = str(context.model_name)
        self.version = str(context.manifest["model"]["modelVersion"])
        self.card: dict[str, Any] = json.loads((archive / "model.json").read_text())
        self.threads = threads

        serialized = archive / context.manifest["model"]["serializedFile"]
        module = torch.jit.load(str(serialized), map_location=self.device)  # type: ignore[no-untyped-call]
        self.module = torch.jit.freeze(module.eval(), preserved_attrs=["explain"])
        self._warm_up(int(properties.get("batch_size") or 1))
        logger.info("%s %s is ready on %s, %d threads", self.name, self.version, self.device, threads)

    def handle(self, data: Sequence[Row], context: Any) -> list[Answer]:
        """Answer every row of a batch: a verdict, an explanation, a description, or its own error."""
        answers: list[Answer] = [{} for _ in data]
        images: dict[int, NDArray[np.uint8]] = {}
        waiting = []
        for index, row in enumerate(data):
            context.set_response_content_type(index, "application/json")
            if context.get_request_header(index, "describe") == "True":
                answers[index] = self.describe_handle()
            else:
                waiting.append((index, self.decoders.submit(_read, row)))
        for index, future in waiting:
            try:
                images[index] = future.result()
            except BadImage as error:
                context.set_response_status(400, "Bad Request", index)
                answers[index] = {"code": 400, "type": "BadImage", "message": str(error)}

        explained = [i for i in images if context.get_request_header(i, "explain") == "True"]
        predicted = [i for i in images if i not in explained]
        if predicted:
            probabilities = self._predict([images[i] for i in predicted])
            for index, probability in zip(predicted, probabilities, strict=True):
                answers[index] = self._verdict(probability)
        for index in explained:
            answers[index] = self._explain(images[index])
        return answers

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

    def _batch(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        # Pixels travel as bytes: a quarter of what normalised floats would take.
        return normalise(torch.from_numpy(np.stack(images)).to(self.device))

    def _predict(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        with torch.inference_mode():
            probabilities: list[float] = self.module(self._batch(images)).tolist()
        return probabilities

    def _explain(self, image: NDArray[np.uint8]) -> Answer:
        probability, feature_map, gradient = self.module.explain(self._batch([image]))
        verdict = self._verdict(float(probability[0]))
        # The gradient points towards "real"; for an image called fake, the evidence lies the other way.
        towards_label = gradient[0] if verdict["label"] == "real" else -gradient[0]
        return verdict | {"heatmap": {"method": "grad-cam", "grid": _grad_cam(feature_map[0], towards_label)}}

    def _verdict(self, probability_real: float) -> Answer:
        label = "real" if probability_real >= 0.5 else "fake"
        confidence = max(probability_real, 1 - probability_real)
        return {
            "label": label,
            "probability_real": round(probability_real, 6),
            "confidence": round(confidence, 6),
            "certainty": self._certainty(confidence),
            "model": self.name,
            "model_version": self.version,
        }

    def _certainty(self, confidence: float) -> str:
        for level in self.card["certainty"]:
            if confidence >= level["confidence_from"]:
                return str(level["name"])
        raise ValueError(f"model.json gives no certainty level for a confidence of {confidence}")


def _read(row: Row) -> NDArray[np.uint8]:
    # A multipart upload arrives under its field's name, a raw body under "body".
    data = row.get("data") if row.get("data") is not None else row.get("body")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise BadImage("No image was sent: send its bytes as the body, or as the multipart field 'data'.")
    return resize(decode(data))


def _grad_cam(feature_map: torch.Tensor, gradient: torch.Tensor) -> list[list[float]]:
    """Weight a feature map (C, h, w) by the gradient (C,) of the score with respect to its mean.

    Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2. For a head on the pooled map the gradient is
    the same at every position, so the head's own gradient is exact. Returns a grid scaled to [0, 1].
    """
    cam = torch.relu(torch.einsum("chw,c->hw", feature_map.float(), gradient.float()))
    peak = float(cam.max())
    scaled = cam / peak if peak > 0 else cam
    grid: list[list[float]] = [[round(value, 4) for value in row] for row in scaled.tolist()]
    return grid
