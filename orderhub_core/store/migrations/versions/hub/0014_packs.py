"""Orders that are packed together, and what people say of that."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0014"
down_revision = "hub_0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "packs",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("shop", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("order_no", sa.Text(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "shop", "order_no"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_packs_companion", "packs", ["shop", "order_no"])
    op.create_table(
        "pairings",
        sa.Column("shop", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("order_no", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("other_shop", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("other", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("say", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("said_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shop", "order_no", "other_shop", "other"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("pairings")
    op.drop_index("ix_packs_companion", "packs")
    op.drop_table("packs")
