from alembic import context

connection, metadata = (context.config.attributes[name] for name in ("connection", "metadata"))
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
