"""Say in one clear line what would keep Unmask from starting, before anything slow begins.

`preflight.py setup` looks at Python and the disk, `preflight.py run` at the ports as well. It runs on any
Python 3, the wrong ones included, with nothing installed.
"""

import os
import re
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The packages take 6.5 GB, PyTorch's CUDA libraries most of it, and their download some more.
SETUP_GIGABYTES = 9


def main() -> None:
    """Exit with the first problem as the message."""
    problem = setup_problem() or (port_problem() if sys.argv[1] == "run" else "")
    if problem:
        sys.exit(problem)


def setup_problem() -> str:
    """Return what keeps the packages from being installed, or nothing."""
    if sys.version_info[:2] != (3, 11):
        major, minor = sys.version_info[:2]
        return f"Unmask needs Python 3.11, and only Python {major}.{minor} was found: install python3.11."
    if find_spec("ensurepip") is None:
        return "Python cannot make virtual environments: install the package python3.11-venv."
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    installed = any((ROOT / ".venv").glob("*.stamp"))
    if not installed and free < SETUP_GIGABYTES:
        return f"Unmask needs {SETUP_GIGABYTES} GB of disk space in {ROOT}, and {free:.1f} GB are free."
    return ""


def port_problem() -> str:
    """Return which address cannot be used, or nothing."""
    for setting, host, port in addresses():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = f"{host}:{port} cannot be used ({error.strerror})"
                return f"{reason}: stop what listens there, or set {setting}."
    return ""


def addresses() -> "list[tuple[str, str, int]]":
    """Return (setting, host, port) of everything that `make run` listens on."""
    settings = {"PORT": "8000", "BIND": "127.0.0.1", **os.environ, **properties(ROOT / ".env")}
    found = [("PORT", settings["BIND"], int(settings["PORT"]))]
    for name, default in properties(ROOT / "config.properties").items():
        setting = f"TS_{name.upper()}"
        value = settings.get(setting, default)
        url = re.match(r"https?://(.+):(\d+)$", value)
        if url:
            found.append((setting, url.group(1), int(url.group(2))))
        elif name.endswith("_port"):
            found.append((setting, "127.0.0.1", int(value)))
    return found


def properties(path: Path) -> "dict[str, str]":
    """Return the NAME=value lines of a file, which need not exist."""
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


if __name__ == "__main__":
    main()
