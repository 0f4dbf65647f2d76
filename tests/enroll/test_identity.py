"""What of an embedding's spread survives being stored, and what an older blob lacks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from enroll.identity import Embedding, Identity, View


def someone(spread: float | None) -> Identity:
    vectors = np.eye(2, 4, dtype=np.float32)
    views = tuple(View(vector, float(k), 0.5) for k, vector in enumerate(vectors))
    voice = Embedding("ge2e-256", "voice", vectors.mean(0), views, 0.5, 6.0, spread)
    return Identity("id", "consent", "ada", {"ge2e-256": voice})


@pytest.mark.parametrize("spread", [0.125, None])
def test_spread_is_stored(spread: float | None) -> None:
    again = Identity.from_bytes(someone(spread).to_bytes())
    assert again.embeddings["ge2e-256"].spread == spread


def test_an_identity_stored_before_spread_was_measured_is_read() -> None:
    blob = someone(0.125).to_bytes()
    size = int.from_bytes(blob[:8], "little")
    metadata = json.loads(blob[8 : 8 + size])["__metadata__"]
    header = json.loads(metadata["identity"])
    del header["embeddings"]["ge2e-256"]["spread"]
    old = save(load(blob), metadata=metadata | {"identity": json.dumps(header)})
    again = Identity.from_bytes(old)
    assert again.embeddings["ge2e-256"].spread is None
    assert again.embeddings["ge2e-256"].seconds == 6.0
