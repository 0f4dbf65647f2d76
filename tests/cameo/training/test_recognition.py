"""A recogniser as a loss: it sees the aligned face, and strangers cost more than a blur."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from cameo.synth.clips import make_clip
from cameo.training.recognition import _TEMPLATE, CHIP, Gallery, chips, recognition_loss, told_apart
from enroll.alignment import similarity
from enroll.encoders import registry


def a_face(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A made-up close-up, (1, 3, 128, 128) in [-1, 1], and its landmarks."""
    clip = next(
        c for c in (make_clip(seed, k, seconds=0.1, size=128) for k in range(20)) if c.truth["shot"] == "close-up"
    )
    frame = torch.from_numpy(clip.frames[:1].copy()).movedim(-1, 1).float() / 127.5 - 1
    return frame, torch.tensor(clip.truth["cast"][0]["landmarks"][:1])


@pytest.mark.parametrize("turned", [0.0, 0.4])
def test_chips_are_those_of_opencv(turned: float):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(-1, 1, (90, 120, 3)).astype(np.float32), (0, 0), 4)
    turn = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    points = ((_TEMPLATE - 75) @ turn.T * 0.3 + [60, 45]).astype(np.float32)
    ours = chips(torch.from_numpy(picture).movedim(-1, 0)[None], torch.from_numpy(points)[None])[0]
    matrix = similarity(points.astype(np.float64), _TEMPLATE)
    theirs = cv2.warpAffine(picture, matrix, (CHIP, CHIP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # OpenCV counts in thirty-seconds of a pixel.
    assert np.abs(ours.movedim(0, -1).numpy() - theirs).max() < 0.02


def test_the_same_costs_nothing_a_blur_something_and_a_stranger_more():
    (one, points), (other, others) = a_face(3), a_face(8)
    true = chips(one, points)
    blurred = chips(torch.nn.functional.avg_pool2d(one, 3, 1, 1), points).requires_grad_()
    same, blur, stranger = (recognition_loss(c, true) for c in (true, blurred, chips(other, others)))
    assert same.item() == 0 < 0.2 < blur.item() < stranger.item()
    blur.backward()
    assert blurred.grad is not None and float(blurred.grad.abs().sum()) > 0


def descriptors(*faces: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """What the encoder that enrols says of pictures with landmarks, (N, 128)."""
    cut = [((chips(*face)[0] + 1) * 127.5).round().byte().movedim(0, -1).numpy() for face in faces]
    return torch.from_numpy(registry.get("dlib-resnet-128").network(np.stack(cut)))


def test_a_face_is_taken_for_whoever_it_shows():
    faces = [a_face(seed) for seed in (3, 8, 11)]
    gallery, true = Gallery.of(descriptors(*faces)), chips(*faces[0])
    # What all drawn faces have in common is not counted against anybody.
    blurred = chips(torch.nn.functional.avg_pool2d(faces[0][0], 3, 1, 1), faces[0][1]).requires_grad_()
    own, other = (recognition_loss(blurred, true, gallery, torch.tensor([who])) for who in (0, 1))
    assert recognition_loss(blurred, true).item() < own.item() < other.item() - 1
    own.backward()
    assert blurred.grad is not None and float(blurred.grad.abs().sum()) > 0


def test_faces_that_are_cut_off_or_too_small_are_not_told_apart():
    face = torch.tensor([[-8.0, -8], [8, -8], [0, 0], [-6, 8], [6, 8]])
    points = torch.stack([face + 48, face + 4, face / 4 + 48, face + 90])
    assert told_apart(points, 96).tolist() == [0]
