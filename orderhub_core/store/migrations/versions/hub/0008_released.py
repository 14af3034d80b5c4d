"""When an effect was let go that was kept for a person."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0008"
down_revision = "hub_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("released", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("outbox", "released")
