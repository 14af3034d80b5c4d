"""Contradicting messages that still have their body, by age: what expires is found without a walk over what has."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0004"
down_revision = "inbox_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with_body = sa.text("body IS NOT NULL")
    op.create_index("ix_conflict_body", "conflict", ["received_at"], sqlite_where=with_body, postgresql_where=with_body)


def downgrade() -> None:
    op.drop_index("ix_conflict_body", "conflict")
