"""Measure every page of the portal on a full database: `python -m benchmarks.pages` writes PAGES.md.

gunicorn runs as the Procfile starts it, on SQLite and then on a private PostgreSQL, each with what
benchmarks.filling puts there. Every address that the portal answers to GET is asked for, as a user who has
90,000 detections and as an administrator.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import flask_migrate
import httpx
from sqlalchemy import text

from benchmarks import postgresql
from benchmarks.filling import PASSWORD, Subjects, fill
from benchmarks.machine import free_ports
from benchmarks.report import DOWNLOAD_REPETITIONS, REPETITIONS, WARM_UP, Measured, is_download, write
from benchmarks.visits import Visit, visits
from portal import create_app
from portal.config import Settings
from portal.extensions import db

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
LOG_SECONDS = 10  # after the answer


@contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give the addresses of two empty databases by their names."""
    with tempfile.TemporaryDirectory() as folder, postgresql.private_server() as server:
        yield {
            "SQLite": f"sqlite:///{folder}/portal.db",
            "PostgreSQL": postgresql.address(server, "postgres"),
        }


def prepare(settings: Settings) -> tuple[Subjects, list[Visit]]:
    """Make the tables, fill them, and list what is to be asked for."""
    app = create_app(settings)
    with app.app_context():
        flask_migrate.upgrade()
        subjects = fill()
        # What it does by itself in time; SQLite has nothing like it.
        if db.engine.dialect.name == "postgresql":
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
                connection.execute(text("CHECKPOINT"))
        db.session.remove()
        db.engine.dispose()
    return subjects, visits(app, subjects)


@contextmanager
def portal(settings: Settings, log: Path) -> Iterator[str]:
    """Run gunicorn inside the block, with a log of what each request took; gives its address."""
    [port] = free_ports(1)
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket"]
    options += ["--access-logfile", str(log), "--access-logformat", "%({x-measured}i)s %(D)s"]
    environment = {name.upper(): str(value) for name, value in vars(settings).items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "portal:create_app()"],
        cwd=ROOT,
        env=os.environ | environment,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def measure(address: str, subjects: Subjects, wanted: list[Visit], log: Path) -> dict[Visit, Measured]:
    """Ask for each address, first to warm up and then for the record; raises if one is not answered."""
    with ExitStack() as stack:
        clients = {
            who: stack.enter_context(httpx.Client(base_url=address, timeout=300, trust_env=False))
            for who in ("visitor", "user", "admin", "program")
        }
        _sign_in(clients["user"], subjects.user)
        _sign_in(clients["admin"], subjects.admin)
        clients["program"].headers["Authorization"] = f"Bearer {subjects.api_key}"
        return {
            visit: _measure(clients[visit.who], visit, log, str(number))
            for number, visit in enumerate(wanted)
        }


def _measure(client: httpx.Client, visit: Visit, log: Path, name: str) -> Measured:
    warm_up, repetitions = (0, DOWNLOAD_REPETITIONS) if is_download(visit) else (WARM_UP, REPETITIONS)
    for _ in range(warm_up + repetitions):
        response = client.get(visit.path, headers={"X-Measured": name})
    if response.status_code != 200:
        raise RuntimeError(f"{visit} was answered with status {response.status_code}")
    times = _server_times(log, name, warm_up + repetitions)[warm_up:]
    return Measured.of(response, times, lambda path: len(client.get(path).content))


def _server_times(log: Path, name: str, requests: int) -> list[float]:
    """Return the milliseconds that gunicorn took for the requests of a name, once it has logged them all."""
    deadline = time.monotonic() + LOG_SECONDS
    while True:
        lines = [line.split() for line in log.read_text().splitlines()]
        found = [int(taken) / 1000 for logged, taken in lines if logged == name]
        if len(found) == requests:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"gunicorn logged {len(found)} of {requests} requests")
        time.sleep(0.01)


def _sends_on(visit: Visit) -> bool:
    return visit.path.startswith("/language/")


def _sign_in(client: httpx.Client, name: str) -> None:
    form = client.get("/login").text
    token = form.partition('name="csrf_token" value="')[2].partition('"')[0]
    data = {"name": name, "password": PASSWORD, "csrf_token": token}
    if client.post("/login", data=data).status_code != 302:
        raise RuntimeError(f"{name} cannot sign in")


def _wait_until_healthy(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{address}/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError as error:
            if time.monotonic() > deadline:
                raise TimeoutError("gunicorn did not start: its messages are above") from error
        time.sleep(0.2)


def main() -> None:
    """Measure on both databases, write the report, and fail if a page is above a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", default="", help="only addresses that hold this text, printed")
    match = parser.parse_args().match
    found = {}
    with databases() as addresses, tempfile.TemporaryDirectory() as folder:
        for name, url in addresses.items():
            settings = Settings(
                database_url=url,
                secret_key=secrets.token_hex(32),
                upload_folder=Path(folder, name),
                torchserve_key_file=Path(folder, "key_file.json"),
                api_rate_limit="1000000 per minute",
            )
            print(f"Filling {name}", flush=True)
            subjects, wanted = prepare(settings)
            asked = [each for each in wanted if match in each.path and not _sends_on(each)]
            log = Path(folder, f"{name}.log")
            with portal(settings, log) as address:
                print(f"Measuring {name}", flush=True)
                found[name] = measure(address, subjects, asked, log)
    sys.exit(write(found, None if match else ROOT / "benchmarks/PAGES.md"))


if __name__ == "__main__":
    main()
