"""How Alembic reaches the portal's database and tables."""

from alembic import context
from flask import current_app

import portal.models  # noqa: F401  # declares the tables
from portal.extensions import Base

with current_app.extensions["migrate"].db.engine.connect() as connection:
    if connection.dialect.name == "sqlite":
        # To alter a table, SQLite drops and copies it; dropped with foreign keys on, it would take along
        # the rows that refer to it. The setting holds from outside a transaction only.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        **current_app.extensions["migrate"].configure_args,
    )
    with context.begin_transaction():
        context.run_migrations()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
