"""Everything that is measured on a set of takes, one for each enrolled person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cameo.evaluation.faces import faces_in, spread_frames
from cameo.evaluation.judges import Judge
from cameo.evaluation.likeness import Likeness, Share, compare
from cameo.evaluation.lips import lag
from cameo.evaluation.scenery import Scenery
from cameo.evaluation.speakers import speaker_vector
from cameo.evaluation.subjects import Subject, Take
from cameo.evaluation.voice import pitch, semitones, voice_vector
from enroll.looks import Look

__all__ = ["Enrolled", "Measured", "Measures", "Perceived", "measure", "perceive"]


class Measured(BaseModel):
    """What was seen and heard in one take.

    Attributes:
        person: their seed.
        frames: how many were looked at.
        faces: how many of them hold a face.
        likeness: to the enrolled person, by the judge; None without a face.
        pitch: median, Hz; None without a voice.
        pitch_error: semitones from the enrolled speech; None where either has no voice.
        lag: frames by which the mouth follows the voice; None where no mouth is seen or moves.
        setting: as it looks. Likewise ``clothes``.
        setting_asked: as it should look. Likewise ``clothes_asked``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: int
    frames: int
    faces: int
    likeness: float | None
    pitch: float | None
    pitch_error: float | None
    lag: int | None
    setting: str
    setting_asked: str
    clothes: str
    clothes_asked: str


class Measures(BaseModel):
    """The figures of a set of takes.

    Attributes:
        face_found: takes in which at least half of the looked-at frames hold a face that MTCNN finds.
        face: likeness by the judge.
        speech_found: takes in which at least 0.8 s of speech is found (Silero VAD).
        speaker: likeness by a speaker encoder that had no part in the conditioning, see ``speakers``.
        voice: likeness by the speaker encoder the generator was conditioned on.
        pitch_heard: takes with a measurable pitch, of those whose person was enrolled with one.
        pitch_error: median over these, semitones; None when nothing was heard.
        in_sync: takes in which the mouth opens with the voice, give or take a frame.
        setting: takes that play where they should.
        clothes: takes with clothes of the colour they should have.
        takes: one by one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    face_found: Share
    face: Likeness
    speech_found: Share
    speaker: Likeness
    voice: Likeness
    pitch_heard: Share
    pitch_error: float | None
    in_sync: Share
    setting: Share
    clothes: Share
    takes: tuple[Measured, ...]


class Enrolled:
    """The enrolled side of every comparison, measured once.

    Args:
        subjects: the people.
        judge: of faces.
        voice_space: the speaker encoder the generator was conditioned on.
    """

    def __init__(self, subjects: Sequence[Subject], judge: Judge, voice_space: str) -> None:
        self.seeds = [subject.seed for subject in subjects]
        self.judge, self.voice_space = judge, voice_space
        self.scenery = Scenery()
        self.faces = [judge.person(faces_in(spread_frames(subject.frames))) for subject in subjects]
        self.voices = [voice_vector(subject.sound, voice_space) for subject in subjects]
        self.speakers = [speaker_vector(subject.sound) for subject in subjects]
        self.pitches = [pitch(subject.sound) for subject in subjects]


@dataclass(frozen=True, repr=False)
class Perceived:
    """A take as the judges see and hear it.

    Attributes:
        frames: those that are looked at, RGB uint8, (T, H, W, 3).
        looks: the faces in them.
        face: (D,), of unit length; NaN without a face. Likewise ``speaker`` and ``voice``, see ``Measures``.
    """

    frames: NDArray[np.uint8]
    looks: Sequence[Look]
    face: NDArray[np.float32]
    speaker: NDArray[np.float32]
    voice: NDArray[np.float32]


def perceive(take: Take, enrolled: Enrolled) -> Perceived:
    """Look at a take and listen to it, once for all that is measured of it."""
    frames = spread_frames(take.frames)
    looks = faces_in(frames)
    return Perceived(
        frames,
        looks,
        enrolled.judge.person(looks),
        speaker_vector(take.sound),
        voice_vector(take.sound, enrolled.voice_space),
    )


def measure(takes: Sequence[Take], enrolled: Enrolled, perceived: Sequence[Perceived] | None = None) -> Measures:
    """Measure; take i shows, or should show, the i-th enrolled person.

    Args:
        takes: one for each enrolled person.
        enrolled: who was asked for.
        perceived: the takes, where they have been looked at before.
    """
    perceived = perceived or [perceive(take, enrolled) for take in takes]
    rows = []
    for i, (take, seen) in enumerate(zip(takes, perceived, strict=True)):
        heard, own = pitch(take.sound), enrolled.pitches[i]
        cosine = float(seen.face @ enrolled.faces[i])
        rows.append(
            Measured(
                person=enrolled.seeds[i],
                frames=len(seen.frames),
                faces=len(seen.looks),
                likeness=None if np.isnan(cosine) else round(cosine, 4),
                pitch=None if heard is None else round(heard, 1),
                pitch_error=None if heard is None or own is None else round(semitones(heard, own), 2),
                lag=lag(take.frames, take.sound, take.fps),
                setting=enrolled.scenery.setting(seen.frames),
                setting_asked=take.setting,
                clothes=enrolled.scenery.clothes(seen.frames),
                clothes_asked=take.clothes,
            )
        )
    errors = [row.pitch_error for row in rows if row.pitch_error is not None]
    return Measures(
        face_found=Share(right=sum(2 * row.faces >= row.frames for row in rows), of=len(rows)),
        face=compare([seen.face for seen in perceived], enrolled.faces),
        speech_found=Share(right=sum(bool(np.isfinite(seen.voice).all()) for seen in perceived), of=len(rows)),
        speaker=compare([seen.speaker for seen in perceived], enrolled.speakers),
        voice=compare([seen.voice for seen in perceived], enrolled.voices),
        pitch_heard=Share(right=len(errors), of=sum(p is not None for p in enrolled.pitches)),
        pitch_error=float(np.median(errors)) if errors else None,
        in_sync=Share(right=sum(row.lag is not None and abs(row.lag) <= 1 for row in rows), of=len(rows)),
        setting=Share(right=sum(row.setting == row.setting_asked for row in rows), of=len(rows)),
        clothes=Share(right=sum(row.clothes == row.clothes_asked for row in rows), of=len(rows)),
        takes=tuple(rows),
    )
