"""The shape of the tables, revision by revision, under Alembic.

``alembic_version`` in a database says which shape its tables have; ``meta.version`` up to which format they are filled,
where filling needs the keys (``cameo.vault.opening``). Both change in the transaction that opens the vault.

A new revision is a file in ``versions``, ``HEAD``, and a change to ``cameo.vault.schema``; a test holds them together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from cameo.errors import StoreDamaged
from cameo.vault.schema import VERSION

__all__ = ["HEAD", "bring_up", "is_of_today"]

HEAD: Final = "0005"
_LAST_UNNUMBERED: Final = 3
"""Vaults of format 4 were made before there were revisions, and not all of them with every table: 0004 makes what is
missing."""


def is_of_today(session: Session) -> bool:
    """Whether there is a vault, and nothing to be done to it.

    Raises:
        StoreDamaged: it is of a later Cameo.
    """
    return _standing(session) == (HEAD, VERSION)


def bring_up(session: Session) -> None:
    """Make the tables of a new vault, or give those of an older one the shape of today.

    The caller's transaction holds the write lock, so several may come at once.

    Raises:
        StoreDamaged: the vault is of a later Cameo.
    """
    held, version = _standing(session)
    if held == HEAD:
        return
    # Late: most who open a vault have nothing to change.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "cameo.vault:migrations")
    config.attributes["connection"] = session.connection()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if held is not None and held not in known:
        raise _later(held)
    if held is None and version is not None:
        command.stamp(config, f"{min(version, _LAST_UNNUMBERED):04}")
    command.upgrade(config, "head")


def _standing(session: Session) -> tuple[str | None, int | None]:
    """Revision and format; None where there is neither."""
    tables = inspect(session.connection()).get_table_names()
    version = session.scalar(text("SELECT version FROM meta WHERE id = 1")) if "meta" in tables else None
    if version is not None and not 1 <= version <= VERSION:
        raise _later(version)
    held = session.scalar(text("SELECT version_num FROM alembic_version")) if "alembic_version" in tables else None
    return held, version


def _later(found: int | str) -> StoreDamaged:
    return StoreDamaged(f"the vault has format {found}, expected at most {VERSION}", hint="use the Cameo that made it")
