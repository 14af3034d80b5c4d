"""After a refund the next case of an order counts: what follows from the facts of such orders is derived anew."""

import json

import sqlalchemy as sa
from alembic import op

from orderhub_core.lifecycle import Given, in_order
from orderhub_core.model import Axis
from orderhub_core.standing import standing

revision = "hub_0021"
down_revision = "hub_0020"
branch_labels = None
depends_on = None

AT_ONCE = 10_000
"""Orders."""
DERIVED = (*(axis.value for axis in Axis), "headline", "headline_at", "contradictions")
SOME = sa.text(
    f"SELECT {', '.join(DERIVED)}, order_id, facts, parcels FROM orders"
    " WHERE order_id > :after AND after_sale = 'refunded' ORDER BY order_id LIMIT :most"
)
CHANGES = ", ".join(f"{name} = :{name}" for name in (*DERIVED, "changed_version"))
WRITE = sa.text(f"UPDATE orders SET {CHANGES} WHERE order_id = :order_id")
STAMP = {
    "sqlite": sa.text("SELECT max(version) FROM lanes"),
    "postgresql": sa.text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)"),
}
"""What a commit here would write as `changed_version`: whoever keeps frames reads again what is beyond theirs."""


def upgrade() -> None:
    connection, after = op.get_bind(), -(1 << 63)
    # What a worker has planned, or remembers, of orders as they were is overtaken.
    op.execute("UPDATE lanes SET version = version + 1")
    stamp = connection.execute(STAMP[connection.dialect.name]).scalar_one()
    while found := connection.execute(SOME, {"after": after, "most": AT_ONCE}).all():
        after = found[-1].order_id
        derived = [(one, _derived(one.facts, one.parcels)) for one in found]
        if changed := [(one.order_id, now) for one, now in derived if tuple(now.values()) != one[: len(DERIVED)]]:
            connection.execute(
                WRITE, [{"order_id": number, "changed_version": stamp, **now} for number, now in changed]
            )


def _derived(told: str, parcels: str) -> dict[str, object]:
    facts, boxes = json.loads(told), json.loads(parcels)
    now = standing(in_order(facts), Given(bool(boxes), any(labelled for _, labelled in boxes.values())))
    return dict(zip(DERIVED, (*now.states, now.headline, facts.get(now.turning), now.contradictions), strict=True))


def downgrade() -> None:
    raise NotImplementedError("restore a backup made before")
