"""What waits for a target that nobody answers for is found without a look at all that waits."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0023"
down_revision = "hub_0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    unmet = sa.text("state = 'waiting' AND attempts = 0 AND note <> '' AND released IS NULL")
    op.create_index(
        "ix_outbox_unmet",
        "outbox",
        ["state", "attempts", "target", "next_at"],
        sqlite_where=unmet,
        postgresql_where=unmet,
    )


def downgrade() -> None:
    op.drop_index("ix_outbox_unmet", "outbox")
