"""Under which key the hub knows people: its fingerprint, adopted at the next use."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0020"
down_revision = "hub_0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keys",
        sa.Column("purpose", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("purpose"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("keys")
