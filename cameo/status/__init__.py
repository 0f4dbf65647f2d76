"""The status list: what a house says, to whoever relies on it, of whom it may still put into scenes."""

from cameo.status.bitstring import LEAST_ENTRIES, MOST_ENTRIES, Bitstring
from cameo.status.document import Purpose, Standing, StatusList, issuer_of, list_id_of
from cameo.status.reader import StatusReader

__all__ = [
    "LEAST_ENTRIES",
    "MOST_ENTRIES",
    "Bitstring",
    "Purpose",
    "Standing",
    "StatusList",
    "StatusReader",
    "issuer_of",
    "list_id_of",
]
