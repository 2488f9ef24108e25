"""Settings: from the environment, with clear words for what is wrong."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.config import ConfigurationError, Settings, kept_key


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert settings.database_url.endswith("/var/portal.db")
    assert settings.max_upload_bytes == 20_000_000
    assert not settings.https


def test_values_have_the_type_of_their_setting() -> None:
    given = {"MAX_UPLOAD_BYTES": "5", "TORCHSERVE_TIMEOUT": "2.5", "UPLOAD_FOLDER": "/data", "SECRET_KEY": ""}
    settings = Settings.from_environment(given)
    assert (settings.max_upload_bytes, settings.torchserve_timeout) == (5, 2.5)
    assert settings.upload_folder == Path("/data")
    assert settings.secret_key == ""


def test_the_portal_looks_for_torchserve_where_it_is_told_to_listen() -> None:
    moved = {"TS_INFERENCE_ADDRESS": "http://127.0.0.1:9080", "TS_MANAGEMENT_ADDRESS": "http://0.0.0.0:9081"}
    settings = Settings.from_environment({**moved, "TORCHSERVE_MANAGEMENT_URL": "http://torchserve:9081"})
    assert settings.torchserve_inference_url == "http://127.0.0.1:9080"
    assert settings.torchserve_management_url == "http://torchserve:9081"
    assert settings.torchserve_metrics_url == Settings().torchserve_metrics_url


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASE_URL", "ADMIN_PASSWORD"])
def test_secrets_are_read_from_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("sqlite:///from-a-file\n")
    settings = Settings.from_environment({f"{name}_FILE": str(tmp_path / "secret")})
    assert getattr(settings, name.lower()) == "sqlite:///from-a-file"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"MAX_UPLOAD_BYTES": "much"}, "MAX_UPLOAD_BYTES must be a number"),
        ({"MAX_IMAGE_PIXELS": "0"}, "MAX_IMAGE_PIXELS must be more than zero"),
        ({"SECRET_KEY": "a", "SECRET_KEY_FILE": "b"}, "Both SECRET_KEY and SECRET_KEY_FILE are set"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE cannot be read"),
        ({"DATABASE_URL": "somewhere"}, "DATABASE_URL is not an SQLAlchemy URL"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must name an SQLite file or a PostgreSQL database"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL must name an SQLite file"),
        ({"PORTAL_URL": "localhost:8000"}, "PORTAL_URL must start with"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Settings.from_environment(environment)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_through_the_installed_driver(scheme: str) -> None:
    url = Settings(database_url=f"{scheme}://someone:secret@database/unmask").sqlalchemy_url()
    assert url.drivername == "postgresql+psycopg"
    assert url.password == "secret"


def test_processes_that_start_at_once_share_one_secret_key(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(kept_key, [path] * 32))
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert path.stat().st_mode & 0o777 == 0o600
    assert [other.name for other in path.parent.iterdir()] == ["secret_key"]
