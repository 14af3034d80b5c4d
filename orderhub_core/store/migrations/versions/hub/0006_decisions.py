"""Decisions are numbered: a rule may want several things, and each belongs to a group."""

import sqlalchemy as sa
from alembic import op

revision = "hub_0006"
down_revision = "hub_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # SQLite cannot change the key of a table, and its rows lie in that order.
    op.rename_table("decisions", "decisions_before")
    op.create_table(
        "decisions",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_group", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("argument", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "version", "place", name="decisions_placed"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO decisions SELECT order_id, version,"
        " row_number() OVER (PARTITION BY order_id, version ORDER BY action DESC, rule) - 1,"
        " CASE WHEN action = 'add_gift' THEN 'gift' ELSE 'routing' END, rule, action, argument,"
        # How many pieces were given stands in the lines alone.
        " coalesce((SELECT max(quantity) FROM lines WHERE lines.order_id = decisions_before.order_id"
        " AND lines.rule = decisions_before.rule AND lines.sku = decisions_before.argument"
        " AND decisions_before.action = 'add_gift'), 1), reason, decided_at FROM decisions_before"
    )
    op.drop_table("decisions_before")


def downgrade() -> None:
    raise NotImplementedError("several decisions of one rule cannot become one: restore a backup made before")
