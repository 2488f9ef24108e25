"""An index that counts verdicts, which depend on the certainty too, instead of one that counts labels."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_index("ix_detections_status_label_certainty", "detections", ["status", "label", "certainty"])
    op.drop_index("ix_detections_status_label", "detections")


def downgrade() -> None:
    """Undo the change."""
    op.create_index("ix_detections_status_label", "detections", ["status", "label"])
    op.drop_index("ix_detections_status_label_certainty", "detections")
