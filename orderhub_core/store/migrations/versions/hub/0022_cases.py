"""The after-sale cases of an order: which it is, and how much went back."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0022"
down_revision = "hub_0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("cases", sa.Text(), nullable=False, server_default="{}"))
    # What a worker has planned, or remembers, of orders as they were is overtaken.
    op.execute("UPDATE lanes SET version = version + 1")


def downgrade() -> None:
    op.drop_column("orders", "cases")
