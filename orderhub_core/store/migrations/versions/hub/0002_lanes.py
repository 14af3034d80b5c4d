"""Lanes in place of one row of progress, and a queue that says which lane a message waits for.

A hub made before keeps a single lane: its order ids and log entries were numbered for one.
"""

import sqlalchemy as sa
from alembic import op

revision = "hub_0002"
down_revision = "hub_0001"
branch_labels = None
depends_on = None

ON_POSTGRESQL = (
    # Of the queue nothing stays: its dead rows are to be swept early.
    "ALTER TABLE todo SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)",
    # An order's row is written again at each of its events: leave room for that beside it.
    "ALTER TABLE orders SET (fillfactor = 80)",
    # Bodies are JSON of a few kilobytes: stored as they are, they cost no compression on the way in.
    "ALTER TABLE inbox ALTER COLUMN body SET STORAGE EXTERNAL",
)


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    if postgresql:
        op.execute("ALTER TABLE todo RENAME TO todo_before")
    op.create_table(
        "lanes",
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("applied_upto", sa.BigInteger(), nullable=False),
        sa.Column("next_order_id", sa.BigInteger(), nullable=False),
        sa.Column("log_seq", sa.BigInteger(), nullable=False),
        sa.Column("log_hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("lane"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "todo",
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane", "id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO lanes (lane, version, applied_upto, next_order_id, log_seq, log_hash)"
        " SELECT 0, version, applied_upto, next_order_id, log_seq, log_hash FROM progress"
    )
    op.drop_table("progress")
    if postgresql:
        op.execute("INSERT INTO todo (lane, id, attempts, next_at) SELECT 0, id, 0, 0 FROM todo_before")
        op.drop_table("todo_before")
        for statement in ON_POSTGRESQL:
            op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a log in several chains cannot become one: restore a backup made before")
