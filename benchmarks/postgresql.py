"""A private PostgreSQL server for as long as it is needed, reached through a socket in its own folder."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = Path("/usr/lib/postgresql")  # where Debian's package postgresql puts them


class NotInstalled(RuntimeError):
    """There is no PostgreSQL on this machine."""


@contextmanager
def private_server() -> Iterator[Path]:
    """Run a server inside the block, and give the folder of its socket; raises NotInstalled.

    Anybody on this machine may connect as "unmask", who owns it; nothing is safe from a power failure.
    """
    found = sorted(PROGRAMS.glob("*/bin/initdb"))
    if not found:
        raise NotInstalled("PostgreSQL (Debian's package postgresql)")
    # Where every user may look into it: initdb refuses to run as root.
    folder = Path(tempfile.mkdtemp(prefix="unmask-postgresql-"))
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres", "extra_groups": []}
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=50"
    control: list[str | Path] = [found[-1].with_name("pg_ctl"), "-D", folder / "data", "-w"]
    initialise: list[str | Path] = [
        found[-1],
        "-D",
        folder / "data",
        "-A",
        "trust",
        "-U",
        "unmask",
        "--no-sync",
    ]

    def run(*command: str | Path) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)

    try:
        run(*initialise)
        run(*control, "-l", folder / "log", "-o", options, "start")
        try:
            yield folder
        finally:
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def address(folder: Path, database: str) -> str:
    """Return the SQLAlchemy URL of a database of a private server."""
    return f"postgresql+psycopg://unmask@/{database}?host={folder}"
