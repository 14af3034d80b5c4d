"""Effects that are due, with their target: a backlog of one that is down is passed over within the index."""

from alembic import op

revision = "hub_0005"
down_revision = "hub_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_outbox_due", "outbox", ["state", "next_at", "target"])
    op.drop_index("ix_outbox_state_next_at", "outbox")


def downgrade() -> None:
    op.create_index("ix_outbox_state_next_at", "outbox", ["state", "next_at"])
    op.drop_index("ix_outbox_due", "outbox")
