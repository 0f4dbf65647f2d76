"""Drawn faces, restored from pictures of the person and what they say."""

from __future__ import annotations

from cameo.restoration.finding import where_laid
from cameo.restoration.network import FaceRestorer, load_restorer
from cameo.restoration.restoring import restore_faces

__all__ = ["FaceRestorer", "load_restorer", "restore_faces", "where_laid"]
