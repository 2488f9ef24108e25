"""The only package that knows TorchServe: asks for verdicts, manages workers and versions, renews keys.

InferenceError
|-- Unavailable    later may go well: serving is down, starting, full, or refuses the key
|-- BadImage       never: the model says what is wrong with this image
|-- BadAnswer      outside the contract: a bug or a wrong set-up on our side
|-- Refused        a command of the management that TorchServe does not carry out, and why
"""

from typing import cast

import httpx
from flask import Flask, current_app

from portal.config import Settings
from portal.inference.description import Serving, Version, Worker
from portal.inference.errors import BadAnswer, BadImage, InferenceError, Refused, Unavailable
from portal.inference.management import Management
from portal.inference.metrics import Workload
from portal.inference.verdicts import ONE_PIXEL, Inference, Verdict

__all__ = [
    "ONE_PIXEL",
    "BadAnswer",
    "BadImage",
    "Inference",
    "InferenceError",
    "Management",
    "Refused",
    "Serving",
    "Unavailable",
    "Verdict",
    "Version",
    "Worker",
    "Workload",
    "inference",
    "init_app",
    "management",
]


def init_app(app: Flask, settings: Settings, transport: httpx.BaseTransport | None) -> None:
    """Give the application its clients."""
    app.extensions["inference"] = Inference(settings, transport)
    app.extensions["management"] = Management(settings, transport)


def inference() -> Inference:
    """Return the current application's client for verdicts."""
    return cast(Inference, current_app.extensions["inference"])


def management() -> Management:
    """Return the current application's client for workers and versions."""
    return cast(Management, current_app.extensions["management"])
