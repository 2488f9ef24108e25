"""Requests to addresses that users name: over HTTP, to public addresses only, within a time limit.

The address is checked where the connection is opened, for every redirect anew, and the connection goes to the
very address that was checked: a name that resolves differently a moment later gains nothing.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpcore
import httpx
from flask_babel import gettext

DEFAULT_PORTS = {"http": 80, "https": 443}


class Forbidden(ValueError):
    """The portal must not connect to this address; the message says why, for the person who named it."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to one host of the public internet.

    Not public: private, loopback, link-local, shared, documentation, multicast and reserved ranges, and IPv6
    addresses that stand for an IPv4 address (mapped, 6to4, NAT64), which may lead to any of these.
    """
    ip = ipaddress.ip_address(address)
    special = ip.is_multicast or ip.is_reserved or not ip.is_global
    if isinstance(ip, ipaddress.IPv6Address):
        special = special or ip.is_site_local or ip.sixtofour is not None
    return not special


def resolve(host: str, port: int) -> list[str]:
    """Return the IP addresses of a host, best first; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_url(url: httpx.URL, ports: Iterable[int]) -> None:
    """Raise Forbidden unless this is an HTTP address on one of `ports`, without a name and password in it."""
    if url.scheme not in DEFAULT_PORTS or not url.host:
        raise Forbidden(gettext("The address must start with http:// or https://."))
    if url.userinfo:
        raise Forbidden(gettext("The address must not contain a user name or a password."))
    port = url.port or DEFAULT_PORTS[url.scheme]
    if port not in ports:
        raise Forbidden(gettext("Port %(port)s is not allowed.", port=port))


@dataclass(frozen=True)
class Network:
    """How names become addresses, which may be reached, and how; tests put their own in its place."""

    resolve: Callable[[str, int], list[str]] = resolve
    connect: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)
    permits: Callable[[str], bool] = is_public


def public_client(
    ports: Iterable[int], seconds: float, network: Network | None = None, **options: Any
) -> httpx.Client:
    """Return an httpx client for one task, which may take `seconds` from now on and reach nothing private.

    It raises Forbidden for an address that is not allowed, httpx.TimeoutException when the time is over, and
    httpx.HTTPError as usual. `options` are those of httpx.Client, `follow_redirects` for instance.
    """
    transport = _PublicTransport(frozenset(ports), _Deadline(seconds), network or Network())
    return httpx.Client(transport=transport, timeout=seconds, trust_env=False, **options)


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("The time for the whole exchange is over.")
        return left


class _PublicTransport(httpx.HTTPTransport):
    def __init__(self, ports: frozenset[int], deadline: _Deadline, network: Network) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._ports = ports
        # httpx has no public way to say how its connections are opened.
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls(), network_backend=_PublicBackend(deadline, network)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        check_url(request.url, self._ports)
        return super().handle_request(request)


class _PublicBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: _Deadline, network: Network) -> None:
        self._deadline = deadline
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the deadline is shorter
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._network.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"The name {host} is not known: {error}") from error
        if not addresses or not all(self._network.permits(address) for address in addresses):
            raise Forbidden(gettext("%(host)s is not a public address.", host=host))
        for address in addresses[:-1]:
            try:
                return self._open(address, port, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return self._open(addresses[-1], port, local_address, socket_options)

    def _open(
        self, address: str, port: int, local_address: str | None, options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        stream = self._network.connect.connect_tcp(
            address, port, self._deadline.left(), local_address, options
        )
        return _TimedStream(stream, self._deadline)


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every step ends at the deadline: a server that sends a byte a second gains nothing."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
