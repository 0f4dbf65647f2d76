"""Sound films whose content is the matter: nobody in it, too many in it, somebody who is only pictured, or two takes
made one. The people are made up (``cameo.synth``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cameo.synth.clips import make_clip
from tests.enroll.conftest import write_clip
from tests.enroll.films import tone

Pictures = NDArray[np.uint8]
Make = Callable[[Path], None]
Row = tuple[str, set[str], Make]

FPS, SECONDS, EDGE = 12, 4.0, 256
ONE, OTHER = 1_000_003, 1_000_005
ALIKE = (1_000_001, 1_000_002)

MUTE = "enrolls_without_a_voice"
"""Although the consent covers it: whether the voice is theirs could not be seen."""


class Take(NamedTuple):
    """Frames (T, H, W, 3) at ``FPS`` and mono sound at 16 kHz."""

    frames: Pictures
    sound: NDArray[np.float32]


@cache
def take(person: int, occasion: int = 0) -> Take:
    """One made-up person, talking, in a close-up, their head turning; ``ONE`` and those alike at full rate, so that
    lips can be read and nothing jumps, others at a quarter, which spares the renderer."""
    slower = 1 if person in (ONE, *ALIKE) else 4
    with pytest.MonkeyPatch.context() as patch:
        # Compiling the renderer takes longer than these few frames.
        patch.setenv("CAMEO_EAGER", "1")
        clip = make_clip(person, occasion, seconds=SECONDS, size=128, fps=FPS / slower)
    frames = [cv2.resize(f, (EDGE, EDGE), interpolation=cv2.INTER_CUBIC) for f in clip.frames]
    return Take(np.repeat(np.stack(frames), slower, axis=0), clip.sound)


def rows() -> Iterator[Row]:
    """What the toolkit refuses, or takes, for what is to be seen and heard."""
    size = int(FPS * SECONDS)
    rng = np.random.default_rng(0)

    nobody = {"no_face", "bad_input"}
    yield "black.mp4", nobody, _scene(lambda: np.zeros((size, EDGE, EDGE, 3), np.uint8))
    yield "static-noise.mp4", nobody, _scene(lambda: rng.integers(0, 255, (size, EDGE, EDGE, 3), np.uint8))
    yield "green-screen-with-nobody.mp4", nobody, _scene(lambda: np.full((size, EDGE, EDGE, 3), (0, 177, 64), np.uint8))
    yield "cartoon.mp4", nobody, _scene(lambda: [_cartoon(number) for number in range(size)])
    yield "out-of-focus.mp4", nobody | {"face_too_small"}, _scene(lambda: _each(take(ONE).frames, _blurred))
    yield "in-the-dark.mp4", nobody, _scene(lambda: take(ONE).frames // 24)
    yield (
        "there-for-a-moment.mp4",
        nobody,
        _scene(lambda: np.concatenate([take(ONE).frames[:2], np.full((size - 2, EDGE, EDGE, 3), 90, np.uint8)])),
    )
    yield "far-away.mp4", nobody | {"face_too_small"}, _scene(lambda: _each(take(ONE).frames, _far))
    yield (
        "two-at-once.mp4",
        {"several_people"},
        _scene(lambda: np.concatenate([take(ONE).frames, take(OTHER).frames], axis=2)),
    )
    yield "without-a-sound.mp4", {"no_speech"}, lambda path: _void(write_clip(path, take(ONE).frames, fps=FPS))
    yield "digital-silence.mp4", {"no_speech"}, _scene(lambda: take(ONE).frames, lambda: np.zeros(64_000, np.float32))
    yield "a-whistle.mp4", {"no_speech"}, _scene(lambda: take(ONE).frames, lambda: tone(1000, SECONDS, 16_000))
    yield "one-person.mp4", {"enrolls", MUTE}, _scene(lambda: take(ONE).frames)
    yield (
        "voice-over-a-shut-mouth.mp4",
        {"no_speech"},
        _scene(lambda: np.repeat(take(ONE).frames[:1], size, axis=0), lambda: take(OTHER).sound),
    )
    yield "a-photograph-held-up.mp4", {"no_speech", "no_face"}, _scene(lambda: _shaken(take(ONE).frames[0], size))
    yield (
        "face-on-a-t-shirt.mp4",
        {"enrolls", MUTE, "several_people"},
        _scene(lambda: _printed(take(ONE).frames, take(OTHER).frames[0])),
    )
    # Without a challenge nobody says that it is live, so it may enroll as what somebody attests to.
    yield (
        "screen-filmed-from-a-screen.mp4",
        {"enrolls", MUTE, "no_face"},
        _scene(lambda: _each(take(ONE).frames, _screened)),
    )
    yield "upside-down.mp4", {"no_face", "bad_input"}, _scene(lambda: take(ONE).frames[:, ::-1])
    yield "one-then-another.mp4", {"several_people"}, _scene(lambda: _then(take(ONE), take(OTHER)))
    # To dlib's eye these two are as near as two pictures of one person may be.
    yield (
        "one-then-a-lookalike.mp4",
        {"several_people"},
        _scene(lambda: _then(*map(take, ALIKE)), lambda: take(ALIKE[0]).sound),
    )
    # A mouth that moves, for too short a time to say that it does not make this.
    yield "another-persons-voice.mp4", {"no_speech", MUTE}, _scene(lambda: take(ONE).frames, lambda: take(OTHER).sound)
    # One person, so it may enroll as what somebody attests to; a live challenge does not pass over the cut.
    yield (
        "two-takes-spliced.mp4",
        {"enrolls", MUTE},
        _scene(
            lambda: _then(take(ONE), take(ONE, 1)),
            lambda: np.concatenate([take(ONE).sound[:32_000], take(ONE, 1).sound[32_000:]]),
        ),
    )


def _scene(pictures: Callable[[], Sequence[Pictures] | Pictures], sound: Callable[[], object] | None = None) -> Make:
    voice = sound or (lambda: take(ONE).sound)
    return lambda path: _void(write_clip(path, list(pictures()), voice(), fps=FPS))  # type: ignore[arg-type]


def _then(first: Take, second: Take) -> Pictures:
    half = int(FPS * SECONDS) // 2
    return np.concatenate([first.frames[:half], second.frames[half:]])


def _void(_: object) -> None:
    """For what returns a path nobody needs."""


def _each(frames: Pictures, change: Callable[[Pictures], Pictures]) -> Pictures:
    return np.stack([change(frame) for frame in frames])


def _blurred(frame: Pictures) -> Pictures:
    return cv2.GaussianBlur(frame, (0, 0), 24).astype(np.uint8)


def _far(frame: Pictures) -> Pictures:
    """The whole take in a corner, a face of twelve pixels."""
    made = np.full((EDGE, EDGE, 3), (120, 140, 130), np.uint8)
    made[100:124, 100:124] = cv2.resize(frame, (24, 24), interpolation=cv2.INTER_AREA)
    return made


def _cartoon(number: int) -> Pictures:
    made = np.full((EDGE, EDGE, 3), (150, 200, 240), np.uint8)
    centre = (EDGE // 2 + 8 * (number % 3), EDGE // 2)
    cv2.circle(made, centre, 80, (250, 220, 60), -1)
    for side in (-1, 1):
        cv2.circle(made, (centre[0] + side * 30, centre[1] - 20), 8, (0, 0, 0), -1)
    cv2.ellipse(made, (centre[0], centre[1] + 20), (36, 8 + 10 * (number % 2)), 0, 0, 180, (0, 0, 0), 4)
    return made


def _shaken(frame: Pictures, count: int) -> Pictures:
    """Held by a hand that is not quite still."""
    rng = np.random.default_rng(0)
    moves = np.cumsum(rng.normal(0, 1.2, (count, 2)), axis=0)
    return np.stack(
        [
            cv2.warpAffine(frame, np.array([[1, 0, x], [0, 1, y]], np.float32), (EDGE, EDGE), borderValue=(60, 60, 60))
            for x, y in moves
        ]
    ).astype(np.uint8)


def _printed(frames: Pictures, face: Pictures) -> Pictures:
    """Somebody else's face, small, where the chest is."""
    made = np.concatenate([frames, frames[:, -1:].repeat(96, axis=1)], axis=1)
    made[:, -96:, EDGE // 2 - 48 : EDGE // 2 + 48] = cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA)
    return made


def _screened(frame: Pictures) -> Pictures:
    """The stripes of a screen's pixels against a camera's, a frame around it, a reflection across it."""
    y, x = np.mgrid[:EDGE, :EDGE]
    stripes = 1 + 0.14 * np.sin(x * 1.9) * np.sin(y * 1.7 + x * 0.03)
    light = np.clip(1 - np.abs(x - y - 40) / 60, 0, 1) * 60
    made = np.clip(frame * stripes[..., None] * (0.8, 0.95, 1.0) + light[..., None], 0, 255).astype(np.uint8)
    for edge in (made[:16], made[-16:], made[:, :16], made[:, -16:]):
        edge[:] = 18
    return made
