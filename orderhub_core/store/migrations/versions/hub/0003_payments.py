"""Payments that are none. Versions before this one left a row of nothing where what was paid turned out to be nothing;
now such an order has no row, and what was said of it is in the log."""

from alembic import op

revision = "hub_0003"
down_revision = "hub_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM payments WHERE amount_minor = 0")


def downgrade() -> None:
    """The rows held nothing: there is nothing to bring back."""
