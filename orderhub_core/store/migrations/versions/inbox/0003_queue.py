"""The queue is the hub's. On PostgreSQL, where both parts are one database, `hub_0002` takes it over."""

from alembic import op

revision = "inbox_0003"
down_revision = "inbox_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.drop_table("todo")


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before")
