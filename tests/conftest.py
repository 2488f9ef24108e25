"""How the tests are shared out among processes, where there are several: `make test` starts two."""

from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

STACK = Path(__file__).parent / "stack"


class _ByFile(LoadScopeScheduling):
    """Keeps the tests of a file in one process, and in one all of those that start servers."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "stack" if path.startswith("tests/stack/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share the tests out."""
    return _ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start servers, since they take longest."""
    items.sort(key=lambda item: not item.path.is_relative_to(STACK))
