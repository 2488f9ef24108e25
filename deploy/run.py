"""Run the Procfile until Ctrl-C, until one of its processes ends, or until the terminal is closed."""

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Start honcho and wait; the exit status is 0 after Ctrl-C, else honcho's."""
    # honcho starts its processes in sessions of their own, which a closed terminal does not reach, and does
    # not listen to SIGHUP for itself.
    honcho = subprocess.Popen([sys.executable, "-m", "honcho", "start"], cwd=ROOT, start_new_session=True)
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
