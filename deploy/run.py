"""Run the Procfile until Ctrl-C, until one of its processes ends, or until the terminal is closed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Start honcho and wait; the exit status is 0 after Ctrl-C, else honcho's."""
    given = os.environ | {name: value or "" for name, value in dotenv_values(ROOT / ".env").items()}
    environment = dict(os.environ)
    if not (given.get("PORTAL_URL") or given.get("PORTAL_URL_FILE")):
        # Here, since honcho counts PORT up for each process: only the portal's own would have the right one.
        environment["PORTAL_URL"] = f"http://localhost:{given['PORT']}"
    # honcho starts its processes in sessions of their own, which a closed terminal does not reach, and does
    # not listen to SIGHUP for itself.
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "start"],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        honcho.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    status = honcho.wait()
    sys.exit(0 if stopped else status)


if __name__ == "__main__":
    main()
