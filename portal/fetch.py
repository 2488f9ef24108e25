"""An image by its address on the web: fetched by the server, as carefully as an upload is taken."""

from dataclasses import dataclass
from typing import cast

import httpx
from flask import Flask, current_app
from flask_babel import gettext, ngettext

from portal.config import Settings
from portal.formats import file_size, seconds
from portal.outbound import Forbidden, Network, check_url, public_client

REDIRECTS = 5
URL_LENGTH = 2000
# Some sites answer in what the browser likes best; this is what can be judged.
HEADERS = {
    "User-Agent": "Unmask",
    "Accept": "image/jpeg,image/png,image/webp,image/*;q=0.8",
    "Accept-Encoding": "identity",
}


class NotFetched(ValueError):
    """No image came from this address; the message says why, for the person who named it."""


class TooLarge(NotFetched):
    """What is at this address has more bytes than an upload may have."""


@dataclass(frozen=True)
class Fetched:
    """The bytes behind an address, not looked at yet; `name` is the end of the address they came from."""

    data: bytes
    name: str
    url: str


@dataclass(frozen=True)
class Fetcher:
    """What may be fetched: from which ports, how many bytes, in how many seconds."""

    ports: tuple[int, ...]
    max_bytes: int
    seconds: float
    network: Network

    def fetch(self, address: str) -> Fetched:
        """Fetch what is at an address; raises NotFetched."""
        url = self._parse(address)
        try:
            with public_client(
                self.ports,
                self.seconds,
                self.network,
                follow_redirects=True,
                max_redirects=REDIRECTS,
                headers=HEADERS,
            ) as client:
                return self._get(client, url)
        except Forbidden as error:
            raise NotFetched(gettext("This address cannot be fetched. %(reason)s", reason=error)) from error
        except httpx.TooManyRedirects as error:
            raise NotFetched(
                ngettext(
                    "The address redirects more than once.",
                    "The address redirects more than %(num)s times.",
                    REDIRECTS,
                )
            ) from error
        except httpx.TimeoutException as error:
            raise NotFetched(
                gettext("The site did not send the image within %(time)s.", time=seconds(self.seconds))
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotFetched(
                gettext("The site cannot be reached. Check the address, or try later.")
            ) from error

    def _parse(self, address: str) -> httpx.URL:
        if len(address) > URL_LENGTH:
            raise NotFetched(
                ngettext(
                    "The address is longer than one character.",
                    "The address is longer than %(num)s characters.",
                    URL_LENGTH,
                )
            )
        try:
            url = httpx.URL(address.strip()).copy_with(fragment=None)
            check_url(url, self.ports)
        except httpx.InvalidURL as error:
            raise NotFetched(
                gettext(
                    "This is not an address: it should look like %(example)s.",
                    example="https://example.org/image.jpg",
                )
            ) from error
        except Forbidden as error:
            raise NotFetched(gettext("This address cannot be fetched. %(reason)s", reason=error)) from error
        return url

    def _get(self, client: httpx.Client, url: httpx.URL) -> Fetched:
        with client.stream("GET", url) as response:
            if response.status_code != 200:
                raise NotFetched(
                    gettext(
                        "The site answered %(status)s instead of an image.",
                        status=f"{response.status_code} {response.reason_phrase}",
                    )
                )
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise NotFetched(
                    gettext(
                        "There is a web page at this address, not an image. Open the image by itself in your "
                        "browser and copy its address."
                    )
                )
            data = bytearray()
            # Raw: whoever compresses in spite of our request must not fill the memory.
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > self.max_bytes:
                    raise TooLarge(
                        gettext(
                            "This file is too large. The limit is %(limit)s.", limit=file_size(self.max_bytes)
                        )
                    )
            return Fetched(bytes(data), response.url.path.rsplit("/", 1)[-1], str(response.url))


def init_app(app: Flask, settings: Settings, network: Network | None) -> None:
    """Give the application its fetcher, unless fetching is switched off."""
    app.extensions["fetcher"] = (
        Fetcher(
            settings.public_ports(), settings.max_upload_bytes, settings.fetch_seconds, network or Network()
        )
        if settings.fetch_by_url
        else None
    )


def fetcher() -> Fetcher | None:
    """Return the current application's fetcher; None where fetching is switched off."""
    return cast("Fetcher | None", current_app.extensions["fetcher"])
