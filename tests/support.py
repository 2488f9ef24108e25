"""What tests of several packages share: real pictures, and the rule for what may be missing."""

import os
from pathlib import Path
from typing import NoReturn

import pytest
import sklearn.datasets

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# Two photographs without people that scikit-learn ships.
_SAMPLES = Path(sklearn.datasets.__file__).parent / "images"
CHINA, FLOWER = _SAMPLES / "china.jpg", _SAMPLES / "flower.jpg"


def missing(what: str) -> NoReturn:
    """Skip the test because `what` is not on this machine; in CI that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is missing")


def shared(path: str) -> Path:
    """Return a file or folder of the data beside the repository."""
    found = SHARED / path
    if not found.exists():
        missing(f"../shared/{path}")
    return found
