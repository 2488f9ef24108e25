"""What the history is searched by, and indices from which whole searches are answered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

HISTORY = (
    *("user_id", "created_at", "search_text"),
    *("status", "label", "certainty", "probability_real", "id"),
)


def upgrade() -> None:
    """Apply the change."""
    op.add_column("detections", sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
    _fill()
    op.create_index("ix_detections_history", "detections", HISTORY)
    op.create_index("ix_detections_user_id_search_text", "detections", ["user_id", "search_text", "id"])
    op.create_index("ix_detections_user_id_status_label", "detections", ["user_id", "status", "label", "id"])
    op.create_index("ix_detections_sha256_user_id_id", "detections", ["sha256", "user_id", "id"])
    is_long = sa.text("length(note) > 240")
    op.create_index(
        "ix_detections_long_note", "detections", ["user_id"], sqlite_where=is_long, postgresql_where=is_long
    )
    op.drop_index("ix_detections_user_id_created_at", "detections")
    op.drop_index("ix_detections_sha256", "detections")


def downgrade() -> None:
    """Undo the change."""
    op.create_index("ix_detections_sha256", "detections", ["sha256"])
    op.create_index("ix_detections_user_id_created_at", "detections", ["user_id", "created_at"])
    for name in ("long_note", "sha256_user_id_id", "user_id_status_label", "user_id_search_text", "history"):
        op.drop_index(f"ix_detections_{name}", "detections")
    with op.batch_alter_table("detections") as detections:
        detections.drop_column("search_text")


def _fill() -> None:
    # Here, because SQLite's lower() knows the letters of English only.
    names = ("id", "filename", "note", "search_text")
    table = sa.table("detections", *map(sa.column, names))
    connection, last = op.get_bind(), 0
    change = (
        table.update().where(table.c.id == sa.bindparam("number")).values(search_text=sa.bindparam("words"))
    )
    batch = sa.select(table.c.id, table.c.filename, table.c.note).order_by(table.c.id).limit(5000)
    while rows := connection.execute(batch.where(table.c.id > last)).all():
        words = [(number, f"{filename} {note}".lower()[:500]) for number, filename, note in rows]
        connection.execute(change, [{"number": number, "words": text} for number, text in words])
        last = rows[-1].id
