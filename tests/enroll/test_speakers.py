"""Who speaks when: readers in turns are told apart, one reader stays one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from enroll import speakers
from enroll.speakers import part
from enroll.voice import Hearing, length, listen

RATE = 16_000
READERS = {
    "121": "libri_121-123852-0000",
    "237": "libri_237-126133-0000",
    "1688": "libri_other_1688-142285-0006",
    "2414": "libri_other_2414-128291-0002",
}


def read(shared: Path, reader: str, begin: float, end: float) -> NDArray[np.float32]:
    sound, rate = soundfile.read(shared / "voices" / f"{READERS[reader]}.flac", dtype="float32")
    assert rate == RATE
    return sound[round(begin * RATE) : round(end * RATE)]


def in_turns(shared: Path, *readers: str, turn: float = 4.0, rounds: int = 2) -> NDArray[np.float32]:
    return np.concatenate([read(shared, who, r * turn, (r + 1) * turn) for r in range(rounds) for who in readers])


def purity(hearing: Hearing, readers: int, turn: float = 4.0) -> float:
    """Share of the speakers' spans that is the reader whom each speaker mostly is."""
    right = 0.0
    for speaker in hearing.speakers:
        seconds = np.zeros(readers)
        for begin, end in speaker.spans:
            for at in range(begin, end, 160):
                seconds[int(at / RATE / turn) % readers] += 0.01
        right += seconds.max()
    return right / sum(speaker.seconds for speaker in hearing.speakers)


@pytest.mark.parametrize("pair", [("121", "237"), ("237", "1688"), ("1688", "2414")])
def test_two_readers_in_turns(shared: Path, pair: tuple[str, str]) -> None:
    hearing = listen(in_turns(shared, *pair))
    assert len(hearing.speakers) == 2
    assert purity(hearing, 2) > 0.97
    assert min(speaker.seconds for speaker in hearing.speakers) > 3


def test_three_readers(shared: Path) -> None:
    hearing = listen(in_turns(shared, "121", "237", "2414"))
    assert len(hearing.speakers) == 3
    assert purity(hearing, 3) > 0.97


@pytest.mark.parametrize("reader", READERS)
def test_one_reader_is_one_speaker(shared: Path, reader: str) -> None:
    hearing = listen(read(shared, reader, 0, 15))
    assert [speaker.number for speaker in hearing.speakers] == [1]
    assert hearing.speakers[0].spans == hearing.speakers[0].turns
    assert hearing.speakers[0].seconds == pytest.approx(hearing.seconds)
    assert hearing.doubtful == ()


def test_a_short_question_by_another_is_not_the_readers(shared: Path) -> None:
    sound = np.concatenate([read(shared, "237", 0, 8), read(shared, "121", 0, 2.5), read(shared, "237", 8, 14)])
    hearing = listen(sound)
    assert len(hearing.speakers) >= 2
    longest = hearing.speakers[0]
    assert longest.seconds > 8
    assert all(end <= 8.1 * RATE or begin >= 10.4 * RATE for begin, end in longest.spans)


def test_spans_are_in_order_apart_and_within_the_speech(shared: Path) -> None:
    hearing = listen(in_turns(shared, "121", "1688"))
    assert [speaker.number for speaker in hearing.speakers] == list(range(1, len(hearing.speakers) + 1))
    seconds = [speaker.seconds for speaker in hearing.speakers]
    assert seconds == sorted(seconds, reverse=True)
    owned = sorted([span for speaker in hearing.speakers for span in speaker.spans] + list(hearing.doubtful))
    assert all(a[1] <= b[0] for a, b in pairwise(owned))
    assert length(owned) == pytest.approx(hearing.seconds)
    turns = [span for speaker in hearing.speakers for span in speaker.turns]
    assert length(turns) == pytest.approx(hearing.seconds)


def test_a_long_clip_costs_a_bounded_number_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes without a pause."""
    asked = []

    class Counting:
        def __init__(self, encoder: object) -> None:
            self.card = encoder.card

        def encode(self, samples: list[NDArray[np.float32]]) -> NDArray[np.float32]:
            asked.append(len(samples))
            one = np.zeros(self.card.dim, np.float32)
            one[0] = 1.0
            return np.tile(one, (len(samples), 1))

    real = speakers.registry.get
    monkeypatch.setattr(speakers.registry, "get", lambda space: Counting(real(space)))
    sound = np.zeros(600 * RATE, np.float32)
    found, doubtful = part(sound, [(0, len(sound))])
    assert sum(asked) <= speakers.MAX_WINDOWS + 1
    assert found[0].spans == ((0, len(sound)),)
    assert doubtful == ()
