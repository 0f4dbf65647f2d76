"""Made-up people nobody trained on: how they were enrolled, what is asked of them, and what they truly look like."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from cameo.script import Script, parse
from cameo.synth.clips import WORDS, SynthClip, make_clip
from cameo.synth.people import CLOTHES
from cameo.synth.settings import SETTINGS
from cameo.synth.voices import Voice, speak
from cameo.training.identities import identify
from cameo.training.people import REFERENCE_SIZE, SECONDS, SIZE
from enroll.identity import Identity

__all__ = [
    "Recital",
    "Request",
    "Subject",
    "Take",
    "enrolled_from",
    "recite",
    "render_again",
    "render_reference",
    "request",
]

_REFERENCE = 1000
_AGAIN = 2000
_EVERY = 4
_DIGITS = 2


@dataclass(frozen=True, repr=False)
class Subject:
    """One person as enrolled.

    Attributes:
        seed: the person.
        identity: from the reference clip, as training makes it.
        frames: of the reference clip, RGB uint8, shape (T, H, W, 3).
        sound: of the reference clip, mono float32 at 16 kHz, shape (N,).
        setting: of the reference clip. Likewise ``clothes``.
    """

    seed: int
    identity: Identity
    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    setting: str
    clothes: str


@dataclass(frozen=True)
class Request:
    """What one scene is asked to be: another place, and other clothes, than the person was enrolled in."""

    setting: str
    clothes: str
    prompt: str
    seed: int

    @property
    def script(self) -> Script:
        return parse(self.prompt)


@dataclass(frozen=True, repr=False)
class Recital:
    """Digits that somebody is asked to say.

    Attributes:
        digits: such as ``"41"``.
        prompt: asks for it.
        seed: of the noise.
        sound: how the renderer says them, mono float32 at 16 kHz, shape (N,).
    """

    digits: str
    prompt: str
    seed: int
    sound: NDArray[np.float32]

    @property
    def script(self) -> Script:
        return parse(self.prompt)


@dataclass(frozen=True, repr=False)
class Take:
    """A close-up to be judged, generated or rendered, and what it should show.

    Attributes:
        frames: RGB uint8, shape (T, H, W, 3).
        sound: mono float32 at 16 kHz, shape (N,).
        setting: name in ``SETTINGS``.
        clothes: name in ``CLOTHES``.
        fps: frames a second.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float32]
    setting: str
    clothes: str
    fps: float


def render_reference(seed: int) -> SynthClip:
    """The clip a person is enrolled from: the occasion and size of every reference in training."""
    return make_clip(seed, _REFERENCE, seconds=4.0, size=REFERENCE_SIZE, outfit=0)


def enrolled_from(clip: SynthClip, *, every: int = _EVERY) -> Subject:
    """Enroll the one person of a clip; every ``every``-th frame is looked at."""
    (member,) = clip.truth["cast"]
    frames, landmarks = clip.frames[::every], np.array(member["landmarks"], np.float32)[::every]
    yaw, pitch = (np.array(member[name], np.float32)[::every] for name in ("yaw", "pitch"))
    sound = clip.sound.astype(np.float32)
    return Subject(
        seed=int(member["person"]),
        identity=identify(int(member["person"]), frames, landmarks, yaw, pitch, sound),
        frames=frames,
        sound=sound,
        setting=clip.truth["setting"],
        clothes=member["clothes"],
    )


def render_again(seed: int) -> Take:
    """The same person on another occasion: what a perfect generator would make. A scene's own length and size, other
    clothes, light, place and pose than the reference; the first close-up in which more than a word is said."""
    occasions = (make_clip(seed, clip, seconds=SECONDS, size=SIZE) for clip in count(_AGAIN))
    made = next(m for m in occasions if m.truth["shot"] == "close-up" and len(m.truth["cast"][0]["words"]) > 1)
    member = made.truth["cast"][0]
    return Take(made.frames, made.sound.astype(np.float32), made.truth["setting"], member["clothes"], made.fps)


def recite(subject: Subject, seed: int) -> Recital:
    """What a person is asked to count, and how it truly sounds. The same ``seed`` asks for the same."""
    rng = np.random.default_rng([0xD161, seed, subject.seed])
    digits = "".join(str(digit) for digit in rng.integers(10, size=_DIGITS))
    words = [WORDS[int(digit)] for digit in digits]
    prompt = f'close-up of @{subject.identity.handle} {SETTINGS["indoor"].phrases[0]} says "{" ".join(words)}"'
    said = speak(Voice.from_seed(subject.seed), words, seed=int(rng.integers(2**31)))
    return Recital(digits, prompt, int(rng.integers(2**31)), said.samples.astype(np.float32))


def request(subject: Subject, seed: int) -> Request:
    """What is asked of a person; the same ``seed`` asks for the same."""
    rng = np.random.default_rng([0xE7A1, seed, subject.seed])
    setting = str(rng.choice([name for name in SETTINGS if name != subject.setting]))
    clothes = str(rng.choice([name for name in CLOTHES if name != subject.clothes]))
    words = " ".join(["hello", *(str(word) for word in rng.choice(WORDS, 2))])
    place = SETTINGS[setting].phrases[0]
    prompt = f'close-up of @{subject.identity.handle} {place} wearing {clothes} says "{words}"'
    return Request(setting, clothes, prompt, int(rng.integers(2**31)))
