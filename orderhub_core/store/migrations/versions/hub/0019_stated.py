"""What was stated of an order by version, not by field: nearly always all of it has one."""

import json

import sqlalchemy as sa
from alembic import op

revision = "hub_0019"
down_revision = "hub_0018"
branch_labels = None
depends_on = None

FIELDS = (
    "currency", "total_minor", "paid_minor", "freight_minor", "discount_minor", "payment_method", "promised_at",
    "province", "city", "buyer_key", "warehouse", "lines", "person",
)  # fmt: skip
AT_ONCE = 10_000
"""Orders."""
SOME = sa.text("SELECT order_id, stated FROM orders WHERE order_id > :after ORDER BY order_id LIMIT :most")
WRITE = sa.text("UPDATE orders SET stated = :stated WHERE order_id = :order_id")


def upgrade() -> None:
    connection, after = op.get_bind(), -(1 << 63)
    while found := connection.execute(SOME, {"after": after, "most": AT_ONCE}).all():
        after = found[-1].order_id
        connection.execute(WRITE, [{"order_id": number, "stated": _by_version(stated)} for number, stated in found])
    # What a worker has planned, or remembers, of orders as they were is overtaken.
    op.execute("UPDATE lanes SET version = version + 1")


def _by_version(stated: str) -> str:
    versions: dict[int, int] = {}
    for field, version in json.loads(stated).items():
        versions[version] = versions.get(version, 0) | 1 << FIELDS.index(field)
    return json.dumps(sorted(versions.items()), separators=(",", ":"))


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before")
