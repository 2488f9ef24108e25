"""Files on disk under the hash of their content: uploaded bytes, and the pictures made from them."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import cast

from flask import Flask, current_app


class Storage:
    """A folder of files named by SHA-256, fanned out over 65,536 sub-folders."""

    def __init__(self, folder: Path) -> None:
        """Keep the files beneath `folder`, which is made when the first one arrives."""
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie, or would lie."""
        return self.folder / sha256[:2] / sha256[2:4] / sha256

    def write(self, sha256: str, data: bytes) -> None:
        """Store bytes under their hash; they appear complete or not at all."""
        if not self.path(sha256).exists():
            _write_atomically(self.path(sha256), data)

    def read(self, sha256: str) -> bytes:
        """Return the bytes stored under a hash."""
        return self.path(sha256).read_bytes()

    def derived(self, sha256: str, kind: str, make: Callable[[bytes], bytes]) -> Path:
        """Return the path of a picture made from a stored file, made now if it was not yet."""
        path = self.path(sha256).with_name(f"{sha256}.{kind}")
        if not path.exists():
            _write_atomically(path, make(self.read(sha256)))
        return path

    def remove(self, sha256: str) -> None:
        """Delete a file and all that was made from it."""
        for path in self.path(sha256).parent.glob(f"{sha256}*"):
            path.unlink(missing_ok=True)


def _write_atomically(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def init_app(app: Flask, folder: Path) -> None:
    """Give the application its storage."""
    app.extensions["storage"] = Storage(folder.absolute())


def storage() -> Storage:
    """Return the current application's storage."""
    return cast(Storage, current_app.extensions["storage"])
