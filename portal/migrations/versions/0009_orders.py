"""One index for each order of the history, instead of one for all."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SEARCHED = ("status", "label", "certainty", "created_at")
ORDERS = {
    "newest": ("id", *SEARCHED, "search_text"),
    "name": ("search_text", "id", *SEARCHED),
    "most_fake": ("probability_real", "id", *SEARCHED, "search_text"),
}
MOST_REAL = (sa.text("probability_real DESC NULLS LAST"), sa.text("id DESC"), *SEARCHED, "search_text")
BEFORE = {
    "history": (
        *("created_at", "search_text"),
        *("status", "label", "certainty", "probability_real", "id"),
    ),
    "user_id_id": ("id",),
    "user_id_search_text": ("search_text", "id"),
    "user_id_probability_real": ("probability_real",),
}


def upgrade() -> None:
    """Apply the change."""
    for name, columns in _orders().items():
        op.create_index(f"ix_detections_{name}", "detections", ["user_id", *columns])
    for name in BEFORE:
        op.drop_index(f"ix_detections_{name}", "detections")


def downgrade() -> None:
    """Undo the change."""
    for name, columns in BEFORE.items():
        op.create_index(f"ix_detections_{name}", "detections", ["user_id", *columns])
    for name in _orders():
        op.drop_index(f"ix_detections_{name}", "detections")


def _orders() -> dict[str, tuple[str | sa.TextClause, ...]]:
    return ORDERS | ({"most_real": MOST_REAL} if op.get_bind().dialect.name == "postgresql" else {})
