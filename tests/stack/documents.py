"""Runs the command blocks of a document, as its reader would, against a server of the tests."""

import re
import subprocess
import sys
from pathlib import Path

from tests.stack.conftest import Serving
from tests.support import ROOT

ADDRESSES = {
    "http://127.0.0.1:8080": "inference_url",
    "http://127.0.0.1:8081": "management_url",
    "http://127.0.0.1:8082": "metrics_url",
}


def blocks(document: str, language: str) -> dict[str, list[str]]:
    """Return the document's code blocks of one language, by the heading they stand under."""
    found: dict[str, list[str]] = {}
    text = (ROOT / "docs" / document).read_text()
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        code = re.findall(rf"^```{language}\n(.*?)^```$", body, flags=re.MULTILINE | re.DOTALL)
        if code:
            found[heading] = code
    return found


class Reader:
    """Runs blocks in a folder that looks like the repository of the server's operator."""

    def __init__(self, serving: Serving, folder: Path, photograph: Path) -> None:
        """Link the key file and a photograph to where the documents have them."""
        (folder / "var").mkdir()
        (folder / "var/torchserve").symlink_to(serving.state)
        (folder / "photo.jpg").symlink_to(photograph)
        self.serving, self.folder = serving, folder

    def bash(self, *code: str) -> str:
        """Run blocks in one shell, and return what they print; a command that fails fails the test."""
        return self._run(["bash", "-euo", "pipefail", "-c", "\n".join(code)])

    def python(self, code: str) -> str:
        """Run a Python block, and return what it prints."""
        return self._run([sys.executable, "-c", code])

    def _run(self, command: list[str]) -> str:
        for address, attribute in ADDRESSES.items():
            command[-1] = command[-1].replace(address, getattr(self.serving, attribute))
        run = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{command[-1]}\n{run.stdout}\n{run.stderr}"
        return run.stdout
