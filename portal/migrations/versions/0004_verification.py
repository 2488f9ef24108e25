"""Evidence, notes, addresses of origin, retention, share links and model cards."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INDICES = ("created_at", "probability_real")


def upgrade() -> None:
    """Apply the change."""
    op.create_table(
        "model_cards",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name=op.f("pk_model_cards")),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("detection_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_shares_detection_id_detections"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_shares_token_hash")),
    )
    op.create_index(op.f("ix_shares_detection_id"), "shares", ["detection_id"])
    with op.batch_alter_table("images") as batch_op:
        batch_op.add_column(sa.Column("evidence", sa.JSON(), nullable=True))
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("retention_days", sa.Integer(), nullable=True))
    with op.batch_alter_table("detections") as batch_op:
        batch_op.add_column(sa.Column("source_url", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("image_kept", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("note", sa.Text(), nullable=False, server_default=""))
        for column in INDICES:
            batch_op.create_index(f"ix_detections_user_id_{column}", ["user_id", column])


def downgrade() -> None:
    """Undo the change."""
    with op.batch_alter_table("detections") as batch_op:
        for column in INDICES:
            batch_op.drop_index(f"ix_detections_user_id_{column}")
        for name in ("note", "image_kept", "source_url"):
            batch_op.drop_column(name)
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("retention_days")
    with op.batch_alter_table("images") as batch_op:
        batch_op.drop_column("evidence")
    op.drop_table("shares")
    op.drop_table("model_cards")
