"""How the tests are shared out among processes, where there are several: `make test` starts two."""

from pathlib import Path

import pytest

STACK = Path(__file__).parent / "stack"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, for what they share, and those that start servers in one process.

    The servers come first, since they take longest.
    """
    for item in items:
        group = STACK if item.path.is_relative_to(STACK) else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
    items.sort(key=lambda item: not item.path.is_relative_to(STACK))
