"""A buyer's orders are found shelf by shelf, so that a new order is written among recent ones only. Nobody asks for a
receiver by the hash of a phone: it goes, with its index, and is made where two receivers are compared."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0016"
down_revision = "hub_0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_persons_phone_hash", "persons")
    op.drop_column("persons", "phone_hash")
    op.drop_index("ix_orders_buyer_key", "orders")
    op.create_index("ix_orders_shelf", "orders", [sa.text("(order_id / 65536)"), sa.text("substr(buyer_key, 1, 8)")])


def downgrade() -> None:
    op.drop_index("ix_orders_shelf", "orders")
    op.create_index("ix_orders_buyer_key", "orders", ["buyer_key"])
    op.add_column("persons", sa.Column("phone_hash", sa.LargeBinary(), nullable=True))
    op.create_index("ix_persons_phone_hash", "persons", ["phone_hash"])
