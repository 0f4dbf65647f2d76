"""Faces in a clip: found by MTCNN (Zhang et al., 2016), as looks in clip order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from enroll.clip import Clip, Frame
from enroll.looks import Look, cut_look
from enroll.pose import head_pose

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

__all__ = ["MIN_CONFIDENCE", "SAMPLE_RATE", "Faces", "find_faces", "largest_tiny_face"]

SAMPLE_RATE = 4.0
"""Frames looked at in each second."""
MAX_FRAMES = 160
MIN_CONFIDENCE = 0.9
"""Below this MTCNN sees faces in hands and folds."""

_DETECT_EDGE = 640
_BATCH = 8
# A clip with more is refused anyway; this bounds memory.
_MAX_FACES = 4


@dataclass(frozen=True, repr=False)
class Faces:
    """What was seen: looks by sampled frame, how many frames that were, and how bright they are (0 to 255, median)."""

    by_frame: tuple[tuple[Look, ...], ...]
    brightness: float

    @property
    def frames(self) -> int:
        return len(self.by_frame)


def find_faces(clip: Clip, progress: Callable[[float], None] = lambda share: None) -> Faces:
    """Looks at ``SAMPLE_RATE`` frames a second (fewer in a long clip) and keeps up to four faces of each, largest
    first.

    Args:
        clip: the clip.
        progress: called with the share done, 0 to 1.
    """
    rate = min(SAMPLE_RATE, MAX_FRAMES / clip.seconds)
    found: list[tuple[Look, ...]] = []
    brightness: list[float] = []
    source = clip.frames(rate)
    while frames := tuple(islice(source, _BATCH)):
        for frame, faces in zip(frames, _detect(frames, _DETECT_EDGE), strict=True):
            looks = [_look(frame, len(found), *face) for face in faces[:_MAX_FACES]]
            found.append(tuple(looks))
            brightness.append(float(_pixels(frame)[::8, ::8].mean()))
        progress(min(1.0, frames[-1].second / clip.seconds))
    return Faces(tuple(found), float(np.median(brightness)))


def largest_tiny_face(clip: Clip) -> float | None:
    """A second look, with more pixels and at fewer frames, for faces ``find_faces`` cannot see.

    Returns:
        Height in pixels of the largest face seen in at least two frames; None if there is none.
    """
    frames = clip.frames(min(1.0, 6 / clip.seconds))
    seen: list[float] = []
    for frame in frames:
        faces = next(_detect((frame,), _DETECT_EDGE * 2, smallest=14))
        sure = [float(box[3] - box[1]) for box, _, confidence in faces if confidence > 0.98]
        seen += [max(sure)] if sure else []
    return max(seen) if len(seen) >= 2 else None


def _look(frame: Frame, index: int, box: NDArray[np.float32], points: NDArray[np.float32], confidence: float) -> Look:
    return cut_look(
        _pixels(frame),
        box,
        points,
        index=index,
        second=frame.second,
        confidence=confidence,
        pose=head_pose(points),
    )


def _detect(
    frames: Iterable[Frame], edge: int, smallest: int | None = None
) -> Iterator[list[tuple[NDArray[np.float32], NDArray[np.float32], float]]]:
    """For each frame, faces largest first: box (4,) and landmarks (5, 2) in pixels of the frame, and confidence."""
    frames = list(frames)
    height, width = _pixels(frames[0]).shape[:2]
    scale = min(1.0, edge / max(height, width))
    size = (round(width * scale), round(height * scale))
    batch = np.stack([cv2.resize(_pixels(frame), size, interpolation=cv2.INTER_AREA) for frame in frames])
    detector = _mtcnn(smallest or max(20, min(size) // 16))
    boxes, confidences, landmarks = detector.detect(batch, landmarks=True)
    for some, sure, points in zip(boxes, confidences, landmarks, strict=True):
        faces = []
        if some is not None:
            for box, confidence, five in zip(some, sure, points, strict=True):
                if confidence >= MIN_CONFIDENCE:
                    box, five = np.asarray(box, np.float32) / scale, np.asarray(five, np.float32) / scale
                    faces.append((box, five, float(confidence)))
        yield faces


def _pixels(frame: Frame) -> NDArray[np.uint8]:
    """``Clip.frames`` gives no frame without."""
    if frame.pixels is None:
        raise ValueError("the frame carries no pixels")
    return frame.pixels


@lru_cache(maxsize=4)
def _mtcnn(smallest: int) -> MTCNN:
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, min_face_size=smallest, device="cpu").eval()
