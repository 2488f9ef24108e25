"""How the model is served, for the page and the commands alike: looking, and changing with an audit entry."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from portal import audit
from portal.extensions import db
from portal.inference import InferenceError, Serving, Workload, management
from portal.languages import english


@dataclass(frozen=True)
class Look:
    """What could be learned of TorchServe just now; where it did not answer, `problem` says why."""

    serving: Serving | None
    workload: Workload | None
    problem: str

    @property
    def changing(self) -> bool:
        """Whether workers are starting or stopping."""
        return self.serving is not None and any(
            version.ready != version.wanted or len(version.workers) != version.wanted
            for version in self.serving.versions
        )

    @property
    def fingerprint(self) -> str:
        """A word that changes when versions or workers do."""
        if self.serving is None:
            return "down"
        workers = [
            (version.name, version.is_default, version.wanted, [(w.id, w.status) for w in version.workers])
            for version in self.serving.versions
        ]
        return hashlib.sha256(repr((self.serving.health, workers)).encode()).hexdigest()[:16]


def look() -> Look:
    """Ask TorchServe for its state and its metrics; what fails is told, not raised."""
    try:
        state = management().state()
    except InferenceError as error:
        return Look(None, None, str(error))
    try:
        return Look(state, management().workload(), "")
    except InferenceError as error:
        return Look(state, None, str(error))


def scale(version: str, workers: int, wait: bool = False) -> None:
    """Set the number of workers of a version; raises InferenceError."""
    _change(
        "serving.scale", version, f"workers: {workers}", lambda: management().scale(version, workers, wait)
    )


def set_default(version: str) -> None:
    """Let a version give the verdicts; raises InferenceError."""
    _change("serving.default", version, "", lambda: management().set_default(version))


def register(archive: str, workers: int) -> None:
    """Load an archive of the model store; raises InferenceError."""
    _change(
        "serving.register", archive, f"workers: {workers}", lambda: management().register(archive, workers)
    )


def unregister(version: str) -> None:
    """Remove a version; raises InferenceError."""
    _change("serving.unregister", version, "", lambda: management().unregister(version))


def _change(action: str, target: str, details: str, change: Callable[[], object]) -> None:
    # What was tried and refused is worth an entry as well.
    try:
        change()
    except InferenceError as error:
        with english():
            audit.record(action, target, f"{details}; not done: {error}".removeprefix("; "))
        db.session.commit()
        raise
    audit.record(action, target, details)
    db.session.commit()
