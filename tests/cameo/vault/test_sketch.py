"""Sketches: what they tell, what they do not, and that a key is all that ties two of them together."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cameo.vault.duplicates import GUARDS
from cameo.vault.sketch import BITS, Sketcher, differing, expected
from tests.timing import least_seconds

STEP = 0.75
SIGMA = 0.5 / math.sqrt(BITS)


def sketcher(key: int = 0, dim: int = 128) -> Sketcher:
    return Sketcher(key.to_bytes(32, "big"), "dlib-resnet-128", dim, STEP)


def apart(distance: float, seed: int, dim: int = 128) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two vectors at a distance, in a random place and direction."""
    rng = np.random.default_rng(seed)
    place, way = rng.normal(size=(2, dim))
    return place.astype(np.float32), (place + distance * way / np.linalg.norm(way)).astype(np.float32)


def share(first: bytes, second: bytes) -> float:
    return float(differing(first, np.frombuffer(second, np.uint8)[None])[0])


def popcount(first: bytes, second: bytes) -> float:
    """The same by counting characters."""
    return bin(int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).count("1") / BITS


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 2.0), st.integers(0, 2**31))
def test_the_share_of_differing_bits_follows_the_published_curve(distance: float, seed: int) -> None:
    first, second = (SKETCHER.sketch(vector) for vector in apart(distance, seed))
    assert abs(share(first, second) - expected(distance, STEP)) < 6 * SIGMA
    assert share(first, second) == popcount(first, second)


SKETCHER = sketcher()


def test_the_curve_is_that_of_simulated_cells() -> None:
    """Independently of the closed form: random cells, laid with a ruler."""
    rng = np.random.default_rng(0)
    for distance in (0.1, 0.4, 0.7, 1.5):
        along = rng.normal(size=400_000) * distance
        start = rng.uniform(0, 2 * STEP, size=along.size)
        parity = (start // STEP) % 2 != ((start + along) // STEP) % 2
        assert abs(parity.mean() - expected(distance, STEP)) < 0.004


def test_nothing_is_told_beyond_the_step() -> None:
    """At one, two and ten steps, and at a hundred, the shares are those of noise: none is larger than another."""
    for distance in (1.2 * STEP, 2 * STEP, 10 * STEP, 100 * STEP):
        shares = [share(*(SKETCHER.sketch(v) for v in apart(distance, seed))) for seed in range(60)]
        assert abs(np.mean(shares) - 0.5) < 5 * SIGMA / math.sqrt(60)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 2**31))
def test_under_two_keys_one_person_looks_like_two_strangers(seed: int, other: int) -> None:
    vector, _ = apart(0.0, seed)
    assert abs(share(SKETCHER.sketch(vector), sketcher(other).sketch(vector)) - 0.5) < 6 * SIGMA


def test_a_sketch_alone_is_noise() -> None:
    """Over many keys, every bit of one person's sketch is as often one as zero, and bits are not tied to each other."""
    vector, _ = apart(0.0, 1)
    bits = np.array([np.unpackbits(np.frombuffer(sketcher(key).sketch(vector), np.uint8)) for key in range(64)])
    assert abs(bits.mean() - 0.5) < 6 * 0.5 / math.sqrt(bits.size)
    signs = bits[:, :256].astype(np.float64) * 2 - 1
    correlation = np.abs(signs.T @ signs / len(signs))[np.triu_indices(256, 1)]
    # The mean absolute value of a correlation of 64 independent signs is √(2/π)/8.
    assert abs(correlation.mean() - math.sqrt(2 / math.pi) / 8) < 0.005


def test_the_same_key_makes_the_same_sketch_on_any_day() -> None:
    """A sketch is at rest for years: how it is drawn from the key must not change. Digest of this version's."""
    from hashlib import sha256

    made = sketcher().sketch(np.linspace(-0.3, 0.3, 128, dtype=np.float32))
    assert made == sketcher().sketch(np.linspace(-0.3, 0.3, 128, dtype=np.float32))
    assert len(made) == BITS // 8
    assert sha256(made).hexdigest() == DIGEST


DIGEST = "2ed424358fa065cc30602d4c9435e7f1d948232780ee839e0a1baabe86b52be6"


@pytest.mark.parametrize("other", [{"space": "ge2e-256"}, {"dim": 127}])
def test_spaces_do_not_share_directions(other: dict[str, object]) -> None:
    fields = {"key": bytes(32), "space": "dlib-resnet-128", "dim": 128, "step": STEP}
    first, second = Sketcher(**fields), Sketcher(**fields | other)  # type: ignore[arg-type]
    a, b = first.sketch(np.zeros(128, np.float32)), second.sketch(np.zeros(other.get("dim", 128), np.float32))  # type: ignore[call-overload]
    assert abs(share(a, b) - 0.5) < 6 * SIGMA


def test_nothing_secret_shows() -> None:
    assert repr(sketcher(7)) == "Sketcher(…)"


def test_a_hundred_thousand_are_searched_in_a_moment() -> None:
    others = np.random.default_rng(0).integers(0, 256, (100_000, BITS // 8), dtype=np.uint8)
    mine = SKETCHER.sketch(np.zeros(128, np.float32))
    assert differing(mine, others).min() > 0.45
    assert least_seconds(lambda: differing(mine, others)) < 0.05


def test_thresholds_lie_well_below_noise() -> None:
    """One false alarm in a hundred thousand lookups among a hundred thousand strangers: 6.4 standard deviations."""
    for guard in GUARDS.values():
        assert 0.5 - guard.most > 6.4 * SIGMA
