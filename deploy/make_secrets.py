"""Make the files under secrets/ that docker-compose.yml names; one that is there stays as it is."""

import secrets
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "secrets"


def main() -> None:
    """Write what is missing, and say where the administrator's password is."""
    # A container reads the files as another user, so they are open to all, in a folder that is not.
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    password = _keep("database_password", secrets.token_hex(24))
    _keep("database_url", f"postgresql://unmask:{password}@database/unmask")
    _keep("secret_key", secrets.token_hex(32))
    _keep("admin_password", secrets.token_urlsafe(12))
    print(f"The password of the first administrator, admin, is in {FOLDER / 'admin_password'}.")  # noqa: T201


def _keep(name: str, value: str) -> str:
    path = FOLDER / name
    if not path.exists():
        path.write_text(value)
    return path.read_text()


if __name__ == "__main__":
    main()
