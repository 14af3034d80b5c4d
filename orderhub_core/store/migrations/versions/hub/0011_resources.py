"""What there is only so much of: stock and room, and the ledger of who took it."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0011"
down_revision = "hub_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    resources = op.create_table(
        "resources",
        sa.Column("kind", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("safety", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", "place"),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(resources, [{"kind": "turn", "subject": "", "place": "", "balance": 0, "safety": 0}])
    op.create_table(
        "ledger",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("safety", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_ledger_resource", "ledger", ["kind", "subject", "place"])
    op.create_index("ix_ledger_order_id", "ledger", ["order_id"])


def downgrade() -> None:
    op.drop_table("ledger")
    op.drop_table("resources")
