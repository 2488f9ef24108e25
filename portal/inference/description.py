"""What TorchServe says of a model: its versions, their workers and queues."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Worker:
    """One process that holds the model; TorchServe knows its memory and pid some time after it is ready."""

    id: str
    ready: bool
    status: str
    device: str
    memory_bytes: int | None
    pid: int | None
    started: datetime

    @classmethod
    def parse(cls, described: dict[str, Any]) -> Self:
        """Read one entry of `workers`."""
        pid, memory = int(described["pid"]), int(described["memoryUsage"])
        return cls(
            id=str(described["id"]),
            ready=described["status"] == "READY",
            status=str(described["status"]),
            device=f"GPU, {described['gpuUsage']}" if described["gpu"] else "CPU",
            memory_bytes=memory if memory > 0 else None,
            pid=pid if pid > 0 else None,
            started=datetime.fromisoformat(described["startTime"]),
        )


@dataclass(frozen=True)
class Version:
    """One registered version; `card` is model.json as a worker describes it, or None if none answers."""

    name: str
    is_default: bool
    archive: str
    workers: tuple[Worker, ...]
    wanted: int
    batch_size: int
    waiting: int
    queue_size: int
    card: dict[str, Any] | None

    @property
    def ready(self) -> int:
        """How many workers can take requests."""
        return sum(worker.ready for worker in self.workers)

    @classmethod
    def parse(
        cls, described: dict[str, Any], default: str, card: Callable[[str], dict[str, Any] | None]
    ) -> Self:
        """Read one entry of /models/MODEL/all; `card` asks for the card of a version with ready workers."""
        name = str(described["modelVersion"])
        workers = tuple(Worker.parse(each) for each in described["workers"])
        queue = described["jobQueueStatus"]
        return cls(
            name=name,
            is_default=name == default,
            archive=str(described["modelUrl"]),
            workers=workers,
            wanted=int(described["minWorkers"]),
            batch_size=int(described["batchSize"]),
            waiting=int(queue["pendingRequests"]),
            queue_size=int(queue["pendingRequests"]) + int(queue["remainingCapacity"]),
            card=card(name) if any(worker.ready for worker in workers) else None,
        )


@dataclass(frozen=True)
class Serving:
    """What TorchServe says of itself: its health, the model's versions, and whether they can be changed."""

    health: str
    model: str
    versions: tuple[Version, ...]
    model_api: bool
