"""The answers that are no verdict: errors, each for its own rows, and the counters of what was answered."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from handler.preprocessing import BadImage

logger = logging.getLogger(__name__)

Answer = dict[str, Any]

# The counters' names under :8082/metrics, by the label or the error of an answer.
COUNTERS = {
    "real": "ImagesCalledReal",
    "fake": "ImagesCalledFake",
    "BadImage": "ImagesRefused",
    "InternalError": "ImagesFailed",
}


@contextmanager
def failing(answers: dict[int, Answer], rows: Sequence[int]) -> Iterator[None]:
    """Turn an exception of the block into the answer of these rows, so that all others get theirs.

    400 for a BadImage; 500, with a traceback in the log, for whatever is not the sender's fault.
    """
    try:
        yield
    except BadImage as error:
        answers |= {row: {"code": 400, "type": "BadImage", "message": str(error)} for row in rows}
    except Exception:
        logger.exception("Rows %s of a batch failed", rows)
        message = "The image could not be judged, and not for a fault of its own: the server's log says why."
        answers |= {row: {"code": 500, "type": "InternalError", "message": message} for row in rows}


def count(answers: Iterable[Answer], metrics: Any) -> None:
    """Add the answers to TorchServe's metrics: its own counters know statuses, but not what was judged."""
    kinds = Counter(answer.get("label") or answer.get("type") for answer in answers)
    for kind, number in kinds.items():
        if kind in COUNTERS:
            metrics.add_counter(COUNTERS[kind], number)
