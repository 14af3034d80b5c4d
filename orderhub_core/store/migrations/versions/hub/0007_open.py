"""What is open or new is found without a walk over what is not. A dismissal stands in the row of the message that it is
about; effects are found by target, and sightings by the commit that changed them."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0007"
down_revision = "hub_0006"
branch_labels = None
depends_on = None

DISMISSAL = ("dismissal", "dismissed_by", "dismissed_at")


def upgrade() -> None:
    for name in DISMISSAL:
        op.add_column("parked", sa.Column(name, sa.BigInteger() if name == "dismissed_at" else sa.Text()))
    op.execute(
        "UPDATE parked SET dismissal = said.reason, dismissed_by = said.dismissed_by, dismissed_at = said.dismissed_at"
        " FROM dismissed AS said WHERE said.source = parked.source AND said.message_id = parked.message_id"
    )
    op.drop_table("dismissed")
    op.create_index("ix_parked_message_id", "parked", ["source", "message_id"])
    only_open = sa.text("dismissed_at IS NULL")
    # SQLite asks again what the index says by being partial: with the column in it, it need not look at the row.
    op.create_index(
        "ix_parked_open", "parked", ["id", "dismissed_at"], sqlite_where=only_open, postgresql_where=only_open
    )
    op.create_index("ix_outbox_target", "outbox", ["state", "target", "next_at", "attempts"])
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_sightings_changed_version", "sightings", ["changed_version"])


def downgrade() -> None:
    op.drop_index("ix_sightings_changed_version", "sightings")
    op.create_index("ix_outbox_due", "outbox", ["state", "next_at", "target"])
    op.drop_index("ix_outbox_target", "outbox")
    op.create_table(
        "dismissed",
        sa.Column("source", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("dismissed_by", sa.Text(), nullable=False),
        sa.Column("dismissed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "message_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO dismissed (source, message_id, reason, dismissed_by, dismissed_at)"
        " SELECT source, message_id, dismissal, dismissed_by, dismissed_at FROM parked WHERE dismissed_at IS NOT NULL"
    )
    op.drop_index("ix_parked_open", "parked")
    op.drop_index("ix_parked_message_id", "parked")
    for name in DISMISSAL:
        op.drop_column("parked", name)
