"""Head pose from five landmarks.

Perspective-n-point (``cv2.solvePnP``) on a face of average length is of little use: five points are nearly planar,
faces differ by a tenth in length, and a face a tenth shorter than the model looks to it like one nodding by ±25°, the
sign at random. So a person's length is fitted first, along with pose and under what is believed of faces, and then
solvePnP, on a model of that length and begun from an upright head, gives the pose of each picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from enroll.identity import Pose

__all__ = ["HEAD_MODEL", "face_length", "head_pose", "head_poses", "project"]

# A frontal face seen from far away projects onto the ArcFace template, so that template gives x and y. Depth (towards
# the viewer) is anthropometric: the nose stands out by 0.45, the mouth by 0.1 of the distance between the eyes.
_FLAT = (arcface_dst + arcface_dst[[1, 0, 2, 4, 3]] * [-1, 1] + [112.0, 0.0]) / 2.0
_EYES = float(_FLAT[1, 0] - _FLAT[0, 0])
_DEPTH = np.array([0.0, 0.0, 0.45, 0.1, 0.1]) * _EYES

HEAD_MODEL: NDArray[np.float64] = (np.column_stack([_FLAT, -_DEPTH]) - [*_FLAT.mean(0), 0.0]) / _EYES
"""The five points (x right, y down, z away from the viewer), shape (5, 3), in distances between the eyes."""

# What is believed before looking: standard deviations of a landmark (in eye distances), of the length of a face
# (logarithm) and of yaw and pitch (degrees).
_LANDMARK = 0.04
_LENGTH = 0.08
_YAW, _PITCH = 45.0, 20.0


# Far enough away for perspective not to matter (0.1° at most), near enough for the solver to converge.
_CAMERA = np.array([[100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [0.0, 0.0, 1.0]])
_FITTED = 8
# Standard deviations from the average beyond which no face is looked for.
_LONGEST = 3.5


def head_pose(landmarks: NDArray[np.float32], length: float | None = None) -> Pose:
    """The pose of a head, given the landmarks and what is believed of faces.

    Args:
        landmarks: shape (5, 2), pixels, order as in ``alignment``.
        length: of this person's face (``face_length``); None fits it to these landmarks alone.

    Returns:
        Degrees, signs as in ``identity.Pose``, as the picture shows the head, wherever in the frame it is. Five points
        leave about ±10° of doubt in pitch; yaw is good to about 5°.
    """
    points, turn = _normal(landmarks)
    return Pose(*_solve(points, turn, length if length is not None else _length(points, turn))[0])


def head_poses(landmarks: NDArray[np.float32], length: float) -> NDArray[np.float32]:
    """``head_pose`` of each of N pictures of one person: landmarks (N, 5, 2) to yaw, pitch, roll (N, 3)."""
    return np.array([_solve(*_normal(points), length)[0] for points in landmarks], np.float32).reshape(-1, 3)


def face_length(landmarks: Sequence[NDArray[np.float32]]) -> float:
    """How long a person's face is compared with ``HEAD_MODEL``: the median over some of their pictures, each (5, 2)."""
    chosen = [landmarks[i] for i in sorted(set(np.linspace(0, len(landmarks) - 1, _FITTED).round().astype(int)))]
    return float(np.median([_length(*_normal(points)) for points in chosen]))


def _normal(landmarks: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """The points centred and about one unit large, and the roll that the line from eyes to mouth shows, radians."""
    points = np.asarray(landmarks, np.float64)
    points = points - points.mean(0)
    down = points[3:].mean(0) - points[:2].mean(0)
    size = max(float(np.linalg.norm(down)), float(np.linalg.norm(points[1] - points[0])), 1e-6)
    return points / size, float(np.arctan2(-down[0], down[1]))


def _length(points: NDArray[np.float64], turn: float) -> float:
    """The most probable length of this face."""

    def doubt(log_length: float) -> float:
        (yaw, pitch, _), misfit = _solve(points, turn, float(np.exp(log_length)))
        return misfit / _LANDMARK**2 + (log_length / _LENGTH) ** 2 + (yaw / _YAW) ** 2 + (pitch / _PITCH) ** 2

    bounds = (-_LONGEST * _LENGTH, _LONGEST * _LENGTH)
    return float(np.exp(minimize_scalar(doubt, bounds=bounds, method="bounded", options={"xatol": 0.005}).x))


def _solve(points: NDArray[np.float64], turn: float, length: float) -> tuple[tuple[float, float, float], float]:
    """Yaw, pitch and roll in degrees, and the sum of squares of what they leave unexplained."""
    # The model has x right, y down, z away from the viewer: OpenCV's camera, so an upright head is no rotation.
    upright = np.array([0.0, 0.0, turn])
    away = np.array([0.0, 0.0, _CAMERA[0, 0]])
    model = HEAD_MODEL * [1.0, length, 1.0]
    _, rotation, shift = cv2.solvePnP(model, points, _CAMERA, None, upright, away, True)
    matrix = cv2.Rodrigues(rotation)[0]
    seen = model @ matrix.T + shift.reshape(3)
    with np.errstate(all="ignore"):
        misfit = float(((seen[:, :2] / seen[:, 2:] * _CAMERA[0, 0] - points) ** 2).sum())
    if not np.isfinite(misfit):
        return (0.0, 0.0, float(np.degrees(turn))), 1e6
    yaw = np.degrees(np.arcsin(np.clip(matrix[2, 0], -1.0, 1.0)))
    pitch = np.degrees(np.arctan2(-matrix[2, 1], matrix[2, 2]))
    roll = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return (float(yaw), float(pitch), float((roll + 180.0) % 360.0 - 180.0)), misfit


def project(pose: Pose) -> NDArray[np.float64]:
    """Where the five points of ``HEAD_MODEL`` fall for a pose, seen from far away: shape (5, 2), in eye distances."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    return _project(yaw, pitch, roll, 1.0)


def _project(yaw: float, pitch: float, roll: float, length: float) -> NDArray[np.float64]:
    """Rz(roll) · Ry · Rx, all in radians with the signs of ``Pose``, then x and y."""
    x, y, z = (HEAD_MODEL * [1.0, length, 1.0]).T
    y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
    x = x * np.cos(yaw) - z * np.sin(yaw)
    return np.column_stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)])
