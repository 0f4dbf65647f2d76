"""What a decoder and a vocoder lose, given back: faces, from pictures of the person and what they say, and sound."""

from __future__ import annotations

from cameo.restoration.finding import where_laid
from cameo.restoration.network import FaceRestorer, load_restorer
from cameo.restoration.restoring import restore_faces
from cameo.restoration.spectrogram import as_its_spectrogram, vocoder_keeps_to_spectrogram

__all__ = [
    "FaceRestorer",
    "as_its_spectrogram",
    "load_restorer",
    "restore_faces",
    "vocoder_keeps_to_spectrogram",
    "where_laid",
]
