"""Disabled accounts, the audit log, indices for the figures, and the FAQ on disputed verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

APPEND_ONLY = "the audit log is append-only"
SQLITE_TRIGGERS = tuple(
    f"CREATE TRIGGER audit_entries_no_{event.lower()} BEFORE {event} ON audit_entries "
    f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
    for event in ("UPDATE", "DELETE")
)
POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$",
    "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
)

# Question, answer before, answer now.
ANSWERS = (
    (
        "Who can see my images?",
        "Only you, signed in to your account; no other user and no page for administrators shows them. "
        "They are stored on the computer that runs this portal and are sent to no one else. Whoever runs "
        "that computer has access to its disk.",
        "Only you, signed in to your account. There is one exception, which you choose yourself: when you "
        "report a verdict as wrong, administrators see that one image, and may use it to train a better "
        "model. You can take the report back.\n\n"
        "Images are stored on the computer that runs this portal and are sent to no one else. Whoever runs "
        "that computer has access to its disk.",
    ),
    (
        "The verdict is wrong. What now?",
        "Rely on your other evidence, and tell whoever runs this portal: examples of errors are what a "
        "better model is made of. The model's card in the project's repository lists how often it errs, "
        "and on which kinds of images.",
        "Rely on your other evidence, and report it: the page of the verdict has a button for that. An "
        "administrator looks at the image and decides, and accepted reports become examples for training "
        "a better model. The model's card in the project's repository lists how often it errs, and on "
        "which kinds of images.",
    ),
)


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("is_disabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("users") as users:
        users.alter_column("is_disabled", server_default=None)
    op.create_index(
        "ix_detections_usage",
        "detections",
        ["created_at", "status", "label", "certainty", "duration_ms", "user_id"],
    )
    op.create_index("ix_detections_status_label", "detections", ["status", "label"])
    op.create_index(op.f("ix_images_size_bytes"), "images", ["size_bytes"])
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    for column in ("action", "actor", "created_at", "target"):
        op.create_index(op.f(f"ix_audit_entries_{column}"), "audit_entries", [column])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_TRIGGERS if is_sqlite else POSTGRESQL_TRIGGERS:
        op.execute(statement)
    for question, before, after in ANSWERS:
        _replace_answer(question, before, after)


def downgrade() -> None:
    """Undo the change."""
    for question, before, after in ANSWERS:
        _replace_answer(question, after, before)
    op.drop_table("audit_entries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_audit_change()")
    op.drop_index(op.f("ix_images_size_bytes"), "images")
    op.drop_index("ix_detections_status_label", "detections")
    op.drop_index("ix_detections_usage", "detections")
    with op.batch_alter_table("users") as users:
        users.drop_column("is_disabled")


def _replace_answer(question: str, before: str, after: str) -> None:
    # What an administrator has written stays.
    table = sa.table("faq_entries", sa.column("question"), sa.column("answer"))
    op.execute(
        table.update().where(table.c.question == question, table.c.answer == before).values(answer=after)
    )
