"""What tests read of a hub."""

from __future__ import annotations

from orderhub_core.store import statements
from orderhub_core.store.tables import PARTS


def rows(context, sql, *parameters):
    return context.store.query("hub", sql, parameters)


def state(context):
    """What must not depend on the way the news came."""
    columns = ", ".join(
        # What the rulebook decides depends on when it is asked; what is known of the order must not.
        name
        for name in statements.columns("orders")
        if name not in ("order_id", "changed_version", "decided", "warehouse", "warehouse_by")
    )
    orders = sorted(
        (
            tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
            for row in rows(context, f"SELECT {columns} FROM orders")
        ),
        key=repr,
    )
    payments = rows(context, "SELECT order_no, amount_minor, p.paid_at FROM payments p JOIN orders USING (order_id)")
    parcels = rows(context, "SELECT order_no, p.tracking_no, p.carrier FROM parcels p JOIN orders USING (order_id)")
    lines = rows(
        context,
        "SELECT order_no, line_no, sku, quantity FROM lines l JOIN orders USING (order_id)"
        " WHERE l.deleted_at IS NULL AND rule = ''",
    )
    return orders, sorted(payments), sorted(parcels), sorted(lines)


def whole(store):
    """Every row of the hub, the log with its hashes among them."""
    return {
        name: sorted(
            (
                tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                for row in store.query("hub", f"SELECT * FROM {name}")
            ),
            key=repr,
        )
        for name in PARTS["hub"].tables
    }
