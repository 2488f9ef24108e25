"""The client that asks for verdicts, and what it accepts as one."""

from dataclasses import dataclass
from typing import Any, Self, cast

import httpx

from portal.config import Settings
from portal.inference.connection import Answer, Connection
from portal.inference.errors import BadAnswer, BadImage, Unavailable

# 503: no free worker or a full queue. 507: the device is out of memory. 404: the model is not registered, or
# not yet. The others come from a proxy in between.
LATER = {404, 408, 429, 502, 503, 504, 507}
# A PNG of one black pixel: the least that can be judged.
ONE_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200"
    "0148afa4710000000049454e44ae426082"
)


@dataclass(frozen=True)
class Verdict:
    """What the model says of an image; probabilities and the rows of the heatmap are in [0, 1].

    `faces` is None if the archive in service does not count them.
    """

    label: str
    probability_real: float
    confidence: float
    certainty: str
    model: str
    model_version: str
    heatmap: list[list[float]]
    faces: int | None = None

    @classmethod
    def parse(cls, answer: Any) -> Self:
        """Read the JSON of /explanations/MODEL; raises BadAnswer if a field is missing or out of range."""
        try:
            verdict = cls(
                label=answer["label"],
                probability_real=float(answer["probability_real"]),
                confidence=float(answer["confidence"]),
                certainty=str(answer["certainty"]),
                model=str(answer["model"]),
                model_version=str(answer["model_version"]),
                heatmap=[[float(value) for value in row] for row in answer["heatmap"]["grid"]],
                faces=None if answer.get("faces") is None else int(answer["faces"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(
                f"TorchServe's answer lacks a field or has one of a wrong type: {error!r}"
            ) from error
        values = [verdict.probability_real, verdict.confidence, *(v for row in verdict.heatmap for v in row)]
        if verdict.faces is not None and verdict.faces < 0:
            raise BadAnswer("TorchServe's answer counts fewer than no faces.")
        columns = {len(row) for row in verdict.heatmap}
        if verdict.label not in ("real", "fake") or not all(0 <= value <= 1 for value in values):
            raise BadAnswer("TorchServe's answer holds a label or a number outside the contract.")
        if len(columns) != 1 or 0 in columns:
            raise BadAnswer("TorchServe's heatmap is not a grid.")
        return verdict


class Inference:
    """Asks the model's default version."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        """Ask the model in `settings`; `transport` replaces the network in tests."""
        self._connection = Connection(settings, transport)
        self._model = settings.torchserve_model

    def judge(self, image: bytes) -> Verdict:
        """Ask for the verdict on the bytes of an image file; raises InferenceError."""
        path = f"/explanations/{self._model}"
        return Verdict.parse(_body(self._connection.call("inference", "POST", path, content=image)))

    def describe(self) -> dict[str, Any]:
        """Ask the version in service for its name and its model.json; raises InferenceError."""
        # The handler answers this header beside the images, so that the management key is not needed here.
        headers = {"describe": "True"}
        path = f"/predictions/{self._model}"
        answer = _body(self._connection.call("inference", "POST", path, content=b"describe", headers=headers))
        try:
            _ = answer["model"], answer["model_version"]
            _ = [(str(level["name"]), float(level["observed_error"])) for level in answer["certainty"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadAnswer(f"TorchServe's description of the model lacks a field: {error!r}") from error
        return cast(dict[str, Any], answer)

    def check(self) -> None:
        """Raise InferenceError unless a verdict comes back; TorchServe may wait with it for its workers.

        It calls itself healthy while they still load the model, so its own word is not enough.
        """
        self.judge(ONE_PIXEL)


def _body(answer: Answer) -> Any:
    """Return the JSON of an answer, or raise what its status and type mean."""
    if answer.status == 200:
        return answer.body
    if answer.status == 400 and answer.type == "BadImage":
        raise BadImage(answer.message)
    problem = f"TorchServe answered {answer.status} {answer.type}: {answer.message}"
    if answer.status in LATER:
        raise Unavailable(problem)
    raise BadAnswer(problem)
