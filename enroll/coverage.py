"""How much of the person a clip showed, and what the next one should show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enroll.attribution import TRUST_HINT
from enroll.identity import Coverage, Modality
from enroll.subject import Person
from enroll.voice import ENOUGH_SECONDS, Heard, Hearing

__all__ = ["coverage"]

_ENOUGH_TURN = 25.0
"""Degrees of yaw to each side that show the sides of the face."""
_ENOUGH_FACE_PX = 100.0
_ENOUGH_QUALITY = 0.45
_ENOUGH_SECONDS = 3.0
_ENOUGH_FACING = 0.4
_COVERED = 0.7
_MUCH_MUSIC = 0.2
_MUCH_CLIPPED = 0.002


def coverage(
    person: Person | None, heard: Heard | None, hearing: Hearing | None, scope: Sequence[Modality]
) -> Coverage:
    """What the clip showed of its subject and let hear; advice only on what the consent's scope covers."""
    speech = heard.seconds if heard is not None else 0.0
    advice = _on_voice(heard, hearing) if "voice" in scope else []
    if person is None:
        return Coverage(speech_seconds=speech, advice=tuple(advice))
    yaw, pitch = _range(person.head.poses[:, 0]), _range(person.head.poses[:, 1])
    if "face" in scope:
        advice = [*_on_face(person, yaw), *advice]
    return Coverage(
        yaw=yaw,
        pitch=pitch,
        face_px=person.height,
        face_frames=len(person.looks),
        speech_seconds=speech,
        advice=tuple(advice),
    )


def _on_face(person: Person, yaw: tuple[float, float]) -> list[str]:
    advice = []
    # Whoever is filmed turns to their own left, which the picture shows as right, and that is positive.
    sides = [side for side, seen in (("left", yaw[1]), ("right", -yaw[0])) if seen < _ENOUGH_TURN]
    if sides:
        advice.append(f"Yaw {yaw[0]:+.0f}° to {yaw[1]:+.0f}° only: turn further {' and '.join(sides)}.")
    if person.height < _ENOUGH_FACE_PX:
        advice.append(
            f"The face is {person.height:.0f} pixels high; {_ENOUGH_FACE_PX:.0f} or more keep its detail: come closer."
        )
    if float(np.median([look.quality for look in person.looks])) < _ENOUGH_QUALITY:
        advice.append("The face is dark or blurred: use more light, and hold the camera still.")
    if float(np.median([look.covered for look in person.looks])) > _COVERED:
        advice.append("Something covers part of mouth or chin: take it off.")
    if person.facing < _ENOUGH_FACING:
        advice.append("The face looks away for most of the clip: look into the camera.")
    seconds = float(person.head.seconds[-1] - person.head.seconds[0])
    if seconds < _ENOUGH_SECONDS:
        advice.append(f"The face is seen for {seconds:.1f} s; {_ENOUGH_SECONDS:.0f} s or more show more of it.")
    return advice


def _on_voice(heard: Heard | None, hearing: Hearing | None) -> list[str]:
    seconds = heard.seconds if heard is not None else hearing.seconds if hearing is not None else 0.0
    advice = []
    if heard is None:
        advice.append(f"The voice is left out, for whether it is the subject's could not be seen: {TRUST_HINT}.")
    elif not heard.tied:
        advice.append("Whether the voice is the subject's could not be seen; it was vouched for.")
    if seconds < ENOUGH_SECONDS:
        advice.append(
            f"{seconds:.0f} s of speech; {ENOUGH_SECONDS:.0f} s or more make the voice surer: say some sentences."
        )
    if heard is not None and heard.quality < _ENOUGH_QUALITY:
        advice.append("There is noise behind the voice: record in a quiet room.")
    if hearing is not None and hearing.background.music > _MUCH_MUSIC:
        advice.append("Music plays behind the voice: turn it off.")
    if hearing is not None and hearing.background.clipped > _MUCH_CLIPPED:
        advice.append("The recording is too loud and distorts: speak further from the microphone.")
    return advice


def _range(angles: NDArray[np.float32]) -> tuple[float, float]:
    # One wild landmark is not a head turn.
    return float(np.percentile(angles, 2)), float(np.percentile(angles, 98))
