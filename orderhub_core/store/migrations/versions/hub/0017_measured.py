"""Signals are found by field, and by what they are told of: of every SKU that a line has one may be measured."""

from alembic import op

revision = "hub_0017"
down_revision = "hub_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_signals_field", "signals", ["field", "until"])
    op.create_index("ix_signals_subject", "signals", ["field", "subject", "until"])
    op.drop_index("ix_signals_until", "signals")


def downgrade() -> None:
    op.create_index("ix_signals_until", "signals", ["until"])
    op.drop_index("ix_signals_subject", "signals")
    op.drop_index("ix_signals_field", "signals")
