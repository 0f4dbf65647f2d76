"""What Alembic runs: revisions on the connection, and in the transaction, of whoever opens the vault."""

from alembic import context

import cameo.vault
from cameo.vault.schema import Base

__all__ = ["cameo"]

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
