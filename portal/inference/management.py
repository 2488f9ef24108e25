"""The client of TorchServe's management: which versions run on which workers, and how to change that."""

import re
from typing import Any

import httpx
from flask_babel import lazy_gettext as _

from portal.config import Settings
from portal.inference.connection import Answer, Connection
from portal.inference.description import Serving, Version
from portal.inference.errors import BadAnswer, InferenceError, Refused, Unavailable
from portal.inference.metrics import Workload

READ_SECONDS = 5.0
# A worker that is waited for loads the model first: longer than the model's startupTimeout.
START_SECONDS = 240.0
MOST_WORKERS = 64
LATER = {408, 429, 502, 503, 504}
# What TorchServe says where every worker of a new version failed; it has forgotten the version by then.
NO_WORKER = "Failed to start workers"
_ARCHIVE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.mar")
MODEL_API_OFF = _(
    "TorchServe does not add or remove versions while its model API is off, which is the safe state. "
    "To turn it on for a while, set TS_ENABLE_MODEL_API=true for TorchServe and restart it."
)


class Management:
    """Reads and changes how one model is served."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        """Manage the model in `settings`; `transport` replaces the network in tests."""
        self._connection = Connection(settings, transport)
        self._model = settings.torchserve_model

    def state(self) -> Serving:
        """Describe the model's versions and their workers; raises InferenceError."""
        ping = self._connection.call("inference", "GET", "/ping", READ_SECONDS)
        health = ping.body.get("status", "") if isinstance(ping.body, dict) else ""
        everything = self._connection.call("management", "GET", f"/models/{self._model}/all", READ_SECONDS)
        if everything.status == 404:
            return Serving(str(health), self._model, (), self._model_api())
        default = _body(self._get(""))
        try:
            versions = [
                Version.parse(each, default[0]["modelVersion"], self._card) for each in _body(everything)
            ]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadAnswer(f"TorchServe describes its models in an unknown way: {error!r}") from error
        first_default = tuple(sorted(versions, key=lambda version: not version.is_default))
        return Serving(str(health), self._model, first_default, self._model_api())

    def workload(self) -> Workload:
        """Return what was counted since the start; raises InferenceError."""
        return Workload.parse(self._connection.metrics(READ_SECONDS), self._model)

    def scale(self, version: str, workers: int, wait: bool = False) -> None:
        """Set a version's number of workers, and perhaps wait until they are ready; raises InferenceError."""
        if not 0 <= workers <= MOST_WORKERS:
            raise Refused(_("The number of workers must be between 0 and %(most)s.", most=MOST_WORKERS))
        self._described(version)
        path = f"/models/{self._model}/{version}"
        params = {"min_worker": workers, "max_worker": workers, "synchronous": str(wait).lower()}
        self._change("PUT", path, params, START_SECONDS if wait else READ_SECONDS)

    def set_default(self, version: str) -> None:
        """Let a version answer from now on; raises Refused while it has no worker that could."""
        if not any(worker["status"] == "READY" for worker in self._described(version)["workers"]):
            raise Refused(
                _(
                    "Version %(version)s has no worker that is ready: every image would wait. Scale it up "
                    "first.",
                    version=version,
                )
            )
        self._change("PUT", f"/models/{self._model}/{version}/set-default", {}, READ_SECONDS)

    def register(self, archive: str, workers: int = 1) -> str:
        """Load an archive from the model store and start its workers; returns what TorchServe says of it."""
        if not _ARCHIVE.fullmatch(archive):
            raise Refused(
                _(
                    "Name an archive in the model store, such as %(example)s, without its folder.",
                    example="deepfake-2.0.mar",
                )
            )
        if not 0 <= workers <= MOST_WORKERS:
            raise Refused(_("The number of workers must be between 0 and %(most)s.", most=MOST_WORKERS))
        # Whatever the archive calls itself, it appears among the versions of this model.
        params = {
            "url": archive,
            "model_name": self._model,
            "initial_workers": workers,
            "synchronous": "true",
        }
        try:
            return str(self._change("POST", "/models", params, START_SECONDS).get("status", ""))
        except Refused as error:
            if NO_WORKER not in str(error):
                raise
            raise Refused(
                _(
                    "No worker could load %(archive)s, so it is not registered: it is broken, or no archive "
                    "of this model. TorchServe's log logs/model.log says what went wrong.",
                    archive=archive,
                )
            ) from error

    def unregister(self, version: str) -> None:
        """Remove a version with its workers; raises InferenceError, as for the default one."""
        self._described(version)
        # TorchServe itself refuses the default only while there is another version.
        if _body(self._get(""))[0]["modelVersion"] == version:
            raise Refused(
                _(
                    "Version %(version)s gives the verdicts, and cannot be removed. Make another version the "
                    "default first.",
                    version=version,
                )
            )
        self._change("DELETE", f"/models/{self._model}/{version}", {}, START_SECONDS)

    def _described(self, version: str) -> dict[str, Any]:
        """Return what TorchServe says of a version; raises Refused, with those there are, if it has none."""
        described = {each["modelVersion"]: each for each in _body(self._get("/all"))}
        if version not in described:
            raise Refused(
                _(
                    "There is no version “%(version)s”. TorchServe has: %(versions)s.",
                    version=version,
                    versions=", ".join(sorted(described)),
                )
            )
        found: dict[str, Any] = described[version]
        return found

    def _get(self, path: str, **params: str) -> Answer:
        return self._connection.call(
            "management", "GET", f"/models/{self._model}{path}", READ_SECONDS, params=params
        )

    def _change(self, method: str, path: str, params: dict[str, Any], seconds: float) -> dict[str, Any]:
        body = _body(self._connection.call("management", method, path, seconds, params=params))
        return body if isinstance(body, dict) else {}

    def _model_api(self) -> bool:
        # Registering nothing changes nothing, and is answered 405 while the model API is off.
        return self._connection.call("management", "POST", "/models", READ_SECONDS).status != 405

    def _card(self, version: str) -> dict[str, Any] | None:
        # A worker answers this, so it waits its turn behind the images; the page must not wait with it.
        try:
            described = _body(self._get(f"/{version}", customized="true"))
            card = described[0].get("customizedMetadata")
        except (InferenceError, KeyError, IndexError, TypeError):
            return None
        return card if isinstance(card, dict) else None


def _body(answer: Answer) -> Any:
    """Return what a call of the management gave, or raise why it did not."""
    if answer.status in (200, 202):
        return answer.body
    if answer.status == 405:
        raise Refused(MODEL_API_OFF)
    if answer.status in LATER:
        raise Unavailable(f"TorchServe answered {answer.status}: {answer.message}")
    raise Refused(_("TorchServe refuses: %(message)s", message=answer.message))
