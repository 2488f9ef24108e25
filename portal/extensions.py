"""The Flask extensions, bound to an application in create_app."""

import sqlite3
from typing import Any, ClassVar

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from sqlalchemy import JSON, Engine, MetaData, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase

# Everything comes from this server, and nothing is inline: `blob:` shows the chosen file before it is sent.
CONTENT_SECURITY_POLICY = {
    "default-src": "'self'",
    "img-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


class Base(DeclarativeBase):
    """What every model derives from."""

    # Alembic can only alter a constraint that has a name.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {list[list[float]]: JSON, dict[str, Any]: JSON}


db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate(render_as_batch=True)
login_manager = LoginManager()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address)
talisman = Talisman()


def upsert(table: type[Base], values: dict[str, Any], changes: dict[str, Any]) -> Any:
    """Return the statement that inserts a row, or makes `changes` to the one with the same primary key."""
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[db.engine.dialect.name]
    keys = [column.name for column in table.__table__.primary_key]
    return dialect.insert(table).values(values).on_conflict_do_update(index_elements=keys, set_=changes)


@event.listens_for(Engine, "connect")
def _configure_sqlite(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        # A reader must not wait for a writer, a second writer waits its turn, and deletes cascade.
        for pragma in ("journal_mode=WAL", "busy_timeout=30000", "foreign_keys=ON", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")
