"""A little internet for tests: names with public addresses, all of them answered by one local server."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpcore

from portal.outbound import Network

PUBLIC = "93.184.215.14"


class Web(httpcore.NetworkBackend):
    """Resolves names by `names`, and leads every connection to the local server instead of `opened`."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {"example.test": [[PUBLIC]]}
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.opened: list[str] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.port = 0
        self.network = Network(self.resolve, self)

    def resolve(self, host: str, port: int) -> list[str]:
        """Answer as a name server would; a name with several answers gives one after the other."""
        if host not in self.names:
            # An address needs no name server.
            return Network().resolve(host, port)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        self.opened.append(f"{host}:{port}")
        return httpcore.SyncBackend().connect_tcp("127.0.0.1", self.port, timeout)

    def page(self, path: str, data: bytes = b"", status: int = 200, **headers: str) -> None:
        """Answer a path with this."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)

        self.pages[path] = answer

    def redirect(self, path: str, target: str) -> None:
        """Answer a path with the address of another."""
        self.page(path, status=302, Location=target)

    def drip(self, path: str, seconds: float) -> None:
        """Answer a path with its headers, and then with a byte now and then, without end."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.end_headers()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                handler.wfile.write(b"x")
                time.sleep(0.02)

        self.pages[path] = answer


@contextmanager
def local_web() -> Iterator[Web]:
    """Serve a Web inside the block."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            web.requests.append((self.path, dict(self.headers), self.rfile.read(length)))
            try:
                web.pages[self.path.split("?")[0]](self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
