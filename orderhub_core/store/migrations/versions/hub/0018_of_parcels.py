"""Decisions on single parcels of an order."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0018"
down_revision = "hub_0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("parcel", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("decisions", "parcel")
