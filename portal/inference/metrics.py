"""What TorchServe counted since it started, read from its Prometheus metrics."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from portal.inference.errors import BadAnswer


@dataclass(frozen=True)
class Workload:
    """Counts and mean times since TorchServe started; a mean is None before the first request.

    `answered`, `refused` and `failed` count the answers of all its addresses by their status: 2xx, 4xx, 5xx.
    """

    requests: int
    queue_ms: float | None
    handling_ms: float | None
    answered: int
    refused: int
    failed: int
    cpu_percent: float | None
    memory_percent: float | None

    @classmethod
    def parse(cls, text: str, model: str) -> Self:
        """Read the text of :8082/metrics; raises BadAnswer where it is none."""
        try:
            families = list(text_string_to_metric_families(text))
        except ValueError as error:
            raise BadAnswer(f"TorchServe's metrics cannot be read: {error}") from error
        requests = _total(families, "ts_inference_requests_total", model) or 0
        queue = _total(families, "ts_queue_latency_microseconds", model) or 0
        handling = _total(families, "ts_inference_latency_microseconds", model) or 0
        return cls(
            requests=round(requests),
            queue_ms=queue / requests / 1000 if requests else None,
            handling_ms=handling / requests / 1000 if requests else None,
            answered=round(_total(families, "Requests2XX") or 0),
            refused=round(_total(families, "Requests4XX") or 0),
            failed=round(_total(families, "Requests5XX") or 0),
            cpu_percent=_total(families, "CPUUtilization"),
            memory_percent=_total(families, "MemoryUtilization"),
        )


def _total(families: Iterable[Metric], name: str, model: str | None = None) -> float | None:
    """Return the sum of the samples with a name and, where it is given, of one model; None without any."""
    # A parser of the newer text format gives counters the suffix _total, whatever TorchServe called them.
    names = {name, f"{name}_total"}
    values = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name in names and (model is None or sample.labels.get("model_name") == model)
    ]
    return sum(values) if values else None
