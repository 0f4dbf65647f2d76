"""A transparency log: what was written down in order, and proofs of it that need nobody's word but a signature.

Knows nothing of people or vaults: entries are bytes.
"""

from cameo.log.checkpoint import Checkpoint
from cameo.log.note import Verifier
from cameo.log.proof import Growth, Inclusion, read_proof

__all__ = ["Checkpoint", "Growth", "Inclusion", "Verifier", "read_proof"]
