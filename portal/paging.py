"""Pages of searches in long histories, whose cost does not grow with what is found."""

from typing import Any

from flask import abort, request
from flask_sqlalchemy.pagination import Pagination
from sqlalchemy import Select

from portal.extensions import db
from portal.routing import ID_MAXIMUM

# How far beyond the first entry of a page the search looks on, to say how much more there is.
AHEAD = 1000


class AtLeast(int):
    """A number of which only the lower bound is known."""


def asked_page() -> int:
    """Return which page the request asks for; answers 404 for a number that no page can have."""
    try:
        page = int(request.args.get("page", 1))
    except ValueError:
        abort(404)
    # The database cannot skip more rows than its numbers count.
    return page if 1 <= page <= ID_MAXIMUM else abort(404)


class SearchPage(Pagination):
    """A page of the rows that `rows` selects whole and `ids` by their ids, in order.

    The ids of the page and the count come from one pass over an index; only the rows shown are read.
    """

    def __init__(self, ids: Select[Any], rows: Select[Any], per_page: int) -> None:
        super().__init__(page=asked_page(), per_page=per_page, ids=ids, rows=rows)

    @property
    def pages(self) -> int:
        """How many pages there are; as the count, perhaps more."""
        number: int = super().pages
        return AtLeast(number) if isinstance(self.total, AtLeast) else number

    def _query_items(self) -> list[Any]:
        ids, rows = self._query_args["ids"], self._query_args["rows"]
        self._reached = db.session.scalars(ids.offset(self._query_offset).limit(AHEAD + 1)).all()
        shown = self._reached[: self.per_page]
        [key] = ids.selected_columns
        found = {row.id: row for row in db.session.scalars(rows.where(key.in_(shown)))}
        return [found[each] for each in shown if each in found]

    def _query_count(self) -> int:
        if len(self._reached) > AHEAD:
            return AtLeast(self._query_offset + AHEAD)
        return self._query_offset + len(self._reached)
