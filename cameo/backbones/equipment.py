"""What is put on a generator beside what its checkpoint brings: an identity adapter of one's own, and LoRAs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Equipment"]


@dataclass(frozen=True)
class Equipment:
    """Adapter and LoRAs.

    Attributes:
        adapter: folder or hub id of an identity adapter, in place of one that the checkpoint brings; None for that.
        loras: files or folders of LoRAs, each with its strength; active in every scene.
    """

    adapter: str | None = None
    loras: tuple[tuple[Path, float], ...] = ()
