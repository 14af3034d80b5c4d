"""Alembic's entry: it is handed a connection and a part, and knows nothing of addresses."""

from alembic import context

from orderhub_core.store.tables import PARTS

part = context.config.attributes["part"]
connection = context.config.attributes["connection"]

context.configure(
    connection=connection,
    target_metadata=PARTS[part],
    version_table=f"alembic_version_{part}",
    render_as_batch=True,
    # On PostgreSQL both parts live in one database: look only at our own tables.
    include_name=lambda name, kind, parents: kind != "table" or name in PARTS[part].tables,
)
with context.begin_transaction():
    context.run_migrations()
