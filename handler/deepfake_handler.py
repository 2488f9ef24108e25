"""TorchServe's entry point: batches of image files in, verdicts or explanations out."""

import json
import logging
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from handler.answers import Answer, count, failing
from handler.faces import DETECTOR, FaceCounter
from handler.grad_cam import grad_cam
from handler.network import Judged, Network
from handler.precision import carried, choose, load
from handler.preprocessing import IMAGE_SIZE, BadImage, decode, resize
from handler.verdict import verdict

logger = logging.getLogger(__name__)

Row = Mapping[str, Any]
Image = NDArray[np.uint8]


class DeepfakeHandler:
    """Judges images; a bad image is answered by itself, and its neighbours in the batch as usual.

    `model-config.yaml` may set, under `handler:`, `precision` (auto, or one of those in
    handler/precision.py) and `threads` (of one worker; by default the cores shared evenly among
    `maxWorkers`).
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

        files = carried(archive)
        self.choice = choose(str(settings.get("precision", "auto")), files, self.device)
        file = files.get(self.choice.precision, context.manifest["model"]["serializedFile"])
        module = load(archive / file, self.choice.precision, self.device)
        self.network = Network(module, self.choice.precision, self.device, self.threads)
        self.count_faces = FaceCounter(archive / DETECTOR)
        self._warm_up(int(properties.get("batch_size") or 1))
        logger.info(
            "%s %s is ready on %s with %d threads and %d passes a batch, in %s (%s)",
            *(self.name, self.version, self.device, self.threads, self.network.passes),
            *(self.choice.precision, self.choice.reason),
        )

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

        explained = {i for i in images if context.get_request_header(i, "explain") == "True"}
        self._answer(images, explained, answers)

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
            "passes": self.network.passes,
            "precision": self.choice.precision,
            "precision_reason": self.choice.reason,
            **self.card,
        }

    def _warm_up(self, batch_size: int) -> None:
        # The profiling executor specialises on the first two calls, and every size of batch prepares its own
        # kernels; a user must not wait for that.
        blank = np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
        pixels = torch.from_numpy(np.stack([blank] * batch_size))
        self.network.choose_passes(pixels)
        for size in (1, *range(1, batch_size + 1)):
            images = dict.fromkeys(range(size), blank)
            self._judge(images, explained=set())
            self._judge(images, explained={0})
        self.network.record(pixels)
        self.count_faces(blank)

    def _answer(self, images: Mapping[int, Image], explained: Set[int], answers: dict[int, Answer]) -> None:
        """Add the answers to images in one pass, or where it fails in one for each, so that few fail."""
        try:
            judged = self._judge(images, explained)
        except Exception:
            logger.warning("A pass over %d images failed: each is tried by itself", len(images))
            judged = {}
            for index, image in images.items():
                with failing(answers, [index]):
                    judged |= self._judge({index: image}, explained)
        for index, (probability, evidence) in judged.items():
            with failing(answers, [index]):
                answer = verdict(probability, self.card["certainty"], self.name, self.version)
                if evidence and index in explained:
                    answer["heatmap"] = _heatmap(answer["label"], *evidence)
                    # Counted where people look: in /predictions speed counts, and nobody reads a warning.
                    answer["faces"] = self.count_faces(images[index])
                answers[index] = answer

    def _judge(self, images: Mapping[int, Image], explained: Set[int]) -> dict[int, Judged]:
        """Send images through the network at once, with what explains them if any is to be explained."""
        if not images:
            return {}
        pixels = torch.from_numpy(np.stack(list(images.values())))
        found = self.network.judge(pixels, explain=not explained.isdisjoint(images))
        return dict(zip(images, found, strict=True))


def _heatmap(label: str, feature_map: torch.Tensor, gradient: torch.Tensor) -> Answer:
    # The gradient points towards "real"; for an image called fake, the evidence lies the other way.
    towards_label = gradient if label == "real" else -gradient
    return {"method": "grad-cam", "grid": grad_cam(feature_map, towards_label)}


def _read(row: Row) -> Image:
    # A multipart upload arrives under its field's name, a raw body under "body".
    data = row.get("data") if row.get("data") is not None else row.get("body")
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise BadImage(
            "No image was sent: send its bytes as the body, with the Content-Type application/octet-stream, "
            "or as the multipart field 'data'."
        )
    return resize(decode(data))
