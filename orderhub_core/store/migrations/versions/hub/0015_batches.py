"""Goods that are sold before they are there: the batches that they come in, and whose pieces have come."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0015"
down_revision = "hub_0014"
branch_labels = None
depends_on = None
WAITS = "action = 'hold' AND argument = 'presale'"


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("pieces", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", sa.BigInteger(), nullable=True),
        sa.Column("delayed_to", sa.BigInteger(), nullable=True),
        sa.Column("promised_at", sa.BigInteger(), nullable=True),
        sa.Column("arrived_at", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sku", "batch"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dealt",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("goods", sa.Text(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_decisions_presale",
        "decisions",
        ["order_id"],
        sqlite_where=sa.text(WAITS),
        postgresql_where=sa.text(WAITS),
    )


def downgrade() -> None:
    op.drop_index("ix_decisions_presale", "decisions")
    op.drop_table("dealt")
    op.drop_table("batches")
