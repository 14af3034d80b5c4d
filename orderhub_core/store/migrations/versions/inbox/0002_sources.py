"""Each source's messages in the order of their arrival: how far the hub is behind it costs a step, not a walk."""

from alembic import op

revision = "inbox_0002"
down_revision = "inbox_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_inbox_source_id", "inbox", ["source", "id"])


def downgrade() -> None:
    op.drop_index("ix_inbox_source_id", "inbox")
