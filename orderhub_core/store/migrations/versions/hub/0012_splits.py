"""Orders that go in several parcels: which of their lines goes in which, and from where."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0012"
down_revision = "hub_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "splits",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("parcel", sa.BigInteger(), nullable=False),
        sa.Column("warehouse", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "line_no"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("splits")
