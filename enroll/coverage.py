"""How much of the person a clip showed, and what the next one should show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from enroll.identity import Coverage, Modality
from enroll.looks import Look
from enroll.voice import ENOUGH_SECONDS, Heard

__all__ = ["coverage"]

_ENOUGH_YAW = 50.0
_ENOUGH_FACE_PX = 100.0
_ENOUGH_QUALITY = 0.45
_ENOUGH_FRAMES = 8


def coverage(looks: Sequence[Look], heard: Heard | None, scope: Sequence[Modality]) -> Coverage:
    """Coverage of the subject's looks (at least one) and speech; advice only on what the consent's scope covers."""
    yaw = _range([look.pose.yaw for look in looks])
    pitch = _range([look.pose.pitch for look in looks])
    face_px = float(np.median([look.face_px for look in looks]))
    advice = []
    if "face" in scope:
        if yaw[1] - yaw[0] < _ENOUGH_YAW:
            seen = f"{yaw[1] - yaw[0]:.0f}° of head turn; {_ENOUGH_YAW:.0f}° or more"
            advice.append(f"{seen} show the sides of the face: look slowly left, then right.")
        if face_px < _ENOUGH_FACE_PX:
            advice.append(
                f"The face is {face_px:.0f} pixels high; {_ENOUGH_FACE_PX:.0f} or more keep its detail: come closer."
            )
        if float(np.median([look.quality for look in looks])) < _ENOUGH_QUALITY:
            advice.append("The face is dark or blurred: use more light, and hold the camera still.")
        if len(looks) < _ENOUGH_FRAMES:
            advice.append(f"The face is seen in {len(looks)} of the frames looked at; a longer clip shows more of it.")
    if heard is not None and heard.seconds < ENOUGH_SECONDS:
        advice.append(
            f"{heard.seconds:.0f} s of speech; {ENOUGH_SECONDS:.0f} s or more make the voice surer: say some sentences."
        )
    if heard is not None and heard.quality < _ENOUGH_QUALITY:
        advice.append("There is noise behind the voice: record in a quiet room.")
    return Coverage(
        yaw=yaw,
        pitch=pitch,
        face_px=face_px,
        face_frames=len(looks),
        speech_seconds=heard.seconds if heard is not None else 0.0,
        advice=tuple(advice),
    )


def _range(angles: list[float]) -> tuple[float, float]:
    # One wild landmark is not a head turn.
    return float(np.percentile(angles, 5)), float(np.percentile(angles, 95))
