"""Ids in addresses: none that the database could not hold, so that such an address is answered 404."""

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

ID_MAXIMUM = 2**31 - 1


class IdConverter(IntegerConverter):
    """The number of a row, written `<id:name>`."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=ID_MAXIMUM)


def init_app(app: Flask) -> None:
    """Make the converter known, before any route that uses it."""
    app.url_map.converters["id"] = IdConverter
