"""Head pose from five landmarks.

Plain perspective-n-point (``cv2.solvePnP``) is of no use here: five points are nearly planar, faces differ by a tenth
in length, and a face a tenth shorter than the model looks to it like one nodding by ±25°, the sign at random. So the
length is fitted along with the pose, and a face is held to be upright until the nose says otherwise.
"""

from __future__ import annotations

import numpy as np
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray
from scipy.optimize import least_squares

from enroll.identity import Pose

__all__ = ["HEAD_MODEL", "head_pose", "project"]

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


def head_pose(landmarks: NDArray[np.float32]) -> Pose:
    """The most probable pose under weak perspective, given the landmarks and what is believed of faces.

    Args:
        landmarks: shape (5, 2), pixels, order as in ``alignment``.

    Returns:
        Degrees, signs as in ``identity.Pose``, as the picture shows the head, wherever in the frame it is. Five points
        leave about ±10° of doubt in pitch; yaw is good to about 5°.
    """
    points = np.asarray(landmarks, np.float64)
    points = points - points.mean(0)
    down = points[3:].mean(0) - points[:2].mean(0)
    size = max(float(np.linalg.norm(down)), float(np.linalg.norm(points[1] - points[0])), 1e-6)
    points /= size

    def misfit(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        yaw, pitch, roll, scale, dx, dy, length = parameters
        model = _project(yaw, pitch, roll, np.exp(length)) * np.exp(scale) + [dx, dy]
        believed = [length / _LENGTH, yaw / np.radians(_YAW), pitch / np.radians(_PITCH)]
        return np.concatenate([((model - points) / _LANDMARK).reshape(-1), believed])

    start = np.array([0.0, 0.0, np.arctan2(-down[0], down[1]), 0.0, 0.0, 0.0, 0.0])
    yaw, pitch, roll = np.degrees(least_squares(misfit, start, method="lm").x[:3])
    return Pose(float(yaw), float(pitch), float((roll + 180.0) % 360.0 - 180.0))


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
