"""Versions of the rulebook; decisions that were only noted."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0009"
down_revision = "hub_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("shadow", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "rulebooks",
        sa.Column("version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_index("ix_rulebooks_state", "rulebooks", ["state"])


def downgrade() -> None:
    op.drop_table("rulebooks")
    op.drop_column("decisions", "shadow")
