"""The orders of a buyer are found, for rules that ask for them."""

from alembic import op

revision = "hub_0013"
down_revision = "hub_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_orders_buyer_key", "orders", ["buyer_key"])


def downgrade() -> None:
    op.drop_index("ix_orders_buyer_key", "orders")
