"""`make run` in a fresh copy of the repository: what it prints, what it serves, and that it stops."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.machine import free_ports
from tests.stack.conftest import die_with_parent
from tests.support import ROOT

SECONDS = 240


class Clone:
    """A copy of what git tracks, with the environment and the archive of the tests, and free ports."""

    def __init__(self, folder: Path, model_store: Path) -> None:
        """Copy the files, with their times, so that make sees what is up to date."""
        self.folder = folder
        names = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in filter(None, names.stdout.split("\0")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        for name in ("deepfake.safetensors", "model.json", "model-config.yaml", "deepfake.mar"):
            shutil.copy2(model_store / name, folder / "model_store")
        self.port, inference, management, metrics, grpc, grpc_management = free_ports(6)
        self.settings = {
            "PORT": str(self.port),
            "TS_INFERENCE_ADDRESS": f"http://127.0.0.1:{inference}",
            "TS_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{management}",
            "TS_METRICS_ADDRESS": f"http://127.0.0.1:{metrics}",
            "TS_GRPC_INFERENCE_PORT": str(grpc),
            "TS_GRPC_MANAGEMENT_PORT": str(grpc_management),
        }
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()))
        self.output = folder / "output"

    def start(self) -> subprocess.Popen[bytes]:
        """Type `make run` and wait until it says that it is ready."""
        self.output.unlink(missing_ok=True)
        with self.output.open("wb") as output:
            terminal = subprocess.Popen(
                ["make", "run"],
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # no other thread forks here
            )
        ready = f"Unmask is ready: http://localhost:{self.port}"
        self.wait(lambda: ready in self.output.read_text() or terminal.poll() is not None)
        assert terminal.poll() is None, self.output.read_text()
        return terminal

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work in this copy."""
        found = []
        for process in psutil.process_iter():
            try:
                if Path(process.cwd()).is_relative_to(self.folder):
                    found.append(" ".join(process.cmdline()))
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, or fail with what was printed."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{self.processes()}\n{self.output.read_text()}")
            time.sleep(0.2)


@pytest.fixture(scope="module")
def clone(model_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    copy = Clone(tmp_path_factory.mktemp("clone"), model_store)
    yield copy
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(copy.folder):
                process.kill()
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_make_run_starts_everything_and_stops_it_again(clone: Clone, number: signal.Signals) -> None:
    first = not (clone.folder / "var/portal.db").exists()
    terminal = clone.start()
    printed = clone.output.read_text()
    assert ("password:" in printed) == first
    # Whoever starts it for the first time takes such a line for a failure.
    assert re.findall(r".*(?:warn|error|fail|not available|not supported).*", printed, re.IGNORECASE) == []
    assert httpx.get(f"http://127.0.0.1:{clone.port}/health").status_code == 200
    parts = ("gunicorn", "flask --app portal worker", "org.pytorch.serve.ModelServer", "model_service_worker")
    clone.wait(lambda: all(any(part in each for each in clone.processes()) for part in parts))

    os.killpg(terminal.pid, number)
    terminal.wait(60)
    clone.wait(lambda: not clone.processes())
    assert "Traceback" not in clone.output.read_text()


@pytest.mark.parametrize(
    "setting", ["PORT", "TS_INFERENCE_ADDRESS", "TS_MANAGEMENT_ADDRESS", "TS_METRICS_ADDRESS"]
)
def test_busy_port_is_one_clear_line(clone: Clone, setting: str) -> None:
    port = int(clone.settings[setting].rpartition(":")[2])
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        run = subprocess.run(["make", "run"], cwd=clone.folder, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    line, *rest = run.stderr.splitlines()
    assert f"127.0.0.1:{port} cannot be used (Address already in use)" in line
    assert setting in line
    assert all(each.startswith("make: ***") for each in rest)


def test_wrong_python_is_one_clear_line(clone: Clone, tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text(
        "#!/bin/sh\n"
        'case "$1" in -c) exit 1;; esac\n'
        f'exec "{ROOT}/.venv/bin/python" -c "\n'
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 2, 'final', 0)\n"
        "sys.argv = sys.argv[1:]\n"
        'runpy.run_path(sys.argv[0], run_name=\'__main__\')" "$@"\n'
    )
    python.chmod(0o755)
    (tmp_path / "python3.11").symlink_to(python)
    (tmp_path / "python").symlink_to(python)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run(
        ["make", "run"], cwd=clone.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    line = run.stderr.splitlines()[0]
    assert line == "Unmask needs Python 3.11, and only Python 3.9 was found: install python3.11."
