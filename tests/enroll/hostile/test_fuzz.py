"""Mutants of good films: each opens or is refused, in time, and leaves no process. ``fuzz`` runs for longer."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.enroll.children import children, patience
from tests.enroll.hostile.fuzz import mutant, try_out

COUNT = 40


@settings(
    max_examples=COUNT,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(chance=st.randoms(use_true_random=False))
def test_a_mutant_opens_or_is_refused(chance: Random, tmp_path: Path) -> None:
    kind, data = mutant(chance)
    before, start = children(), time.monotonic()
    try_out(data, tmp_path, kind)
    assert time.monotonic() - start < patience()
    assert children() == before


@pytest.mark.parametrize("number", range(3))
def test_the_same_number_gives_the_same_mutant(number: int) -> None:
    assert mutant(Random(number)) == mutant(Random(number))
