"""Restoring the faces of a scene: where they are and nowhere else, of those of whom enough is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from cameo.conditioning.routing import Presence
from cameo.restoration.aligned import aligned, as_tensor
from cameo.restoration.finding import find_faces
from cameo.restoration.network import FaceRestorer
from cameo.restoration.restoring import nearest_crops, restore_faces
from cameo.staging import SIDES
from cameo.synth.clips import SynthClip
from enroll.identity import Identity
from tests.cameo.restoration.made_up import alone, couple, identity

FPS = 12.5


def painter(colour: float = 0.5) -> FaceRestorer:
    """One that makes every face lighter."""
    restorer = FaceRestorer(widths=(8, 8, 8), depths=(1, 1, 1), condition=8)
    torch.nn.init.constant_(restorer.leave.bias, colour)
    return restorer.eval()


class Rememberer(FaceRestorer):
    """One that knows how the faces are, and gives them whatever it is shown."""

    def __init__(self, faces: np.ndarray) -> None:
        super().__init__(widths=(8, 8, 8), depths=(1, 1, 1), condition=8)
        self.faces = as_tensor(faces)

    def forward(self, drawn: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return self.faces[: len(drawn)]


def restored(restorer: FaceRestorer, clip: SynthClip, people: list[Identity], *others: object) -> np.ndarray:
    return restore_faces(restorer, clip.frames, clip.sound.astype(np.float32), FPS, people, *others)


def test_an_untrained_restorer_stills_the_mouth_and_changes_nothing_else():
    made, frames = restored(painter(0.0), alone(), [identity(31)]).astype(int), alone().frames.astype(int)
    mouth, eyes = (np.array(alone().truth["cast"][0]["landmarks"])[:, part].mean((0, 1)) for part in ([3, 4], [0, 1]))
    changed = np.abs(made - frames).max((0, 3))
    y, x = np.nonzero(changed > 1)
    assert len(x) == 0 or np.hypot(x - mouth[0], y - mouth[1]).max() < np.linalg.norm(mouth - eyes) * 1.2


def test_the_face_is_changed_and_what_is_far_from_it_is_not():
    made, truth = restored(painter(), alone(), [identity(31)]), np.array(alone().truth["cast"][0]["landmarks"])
    for before, after, points in zip(alone().frames, made, truth, strict=True):
        x, y = points.mean(0).round().astype(int)
        assert (after[y - 3 : y + 3, x - 3 : x + 3].astype(int) - before[y - 3 : y + 3, x - 3 : x + 3]).mean() > 30
        span = np.linalg.norm(points[3:].mean(0) - points[:2].mean(0)) / 29 * 56 * np.sqrt(2) + 3
        far = np.hypot(*np.meshgrid(np.arange(128) - x, np.arange(128) - y)) > span + 4
        assert np.array_equal(after[far], before[far])


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_without_likeness_nothing_is_restored(scale: float):
    assert restored(painter(), alone(), [identity(31)], None, scale) is alone().frames


def test_half_of_it_is_half_of_it():
    whole, half = (restored(painter(0.1), alone(), [identity(31)], None, s).astype(float) for s in (1.0, 0.5))
    change = whole - alone().frames
    assert np.abs((half - alone().frames) - change / 2)[whole < 255].max() <= 1


def test_who_has_no_face_known_stays_as_drawn():
    voice_alone = replace(identity(31), embeddings={}, crops=())
    assert restored(painter(), alone(), [voice_alone]) is alone().frames


def test_of_two_only_who_is_known_is_restored():
    unknown = replace(identity(32), crops=())
    made = restored(painter(), couple(), [identity(31), unknown], [SIDES["left"], SIDES["right"]])
    change = np.abs(made.astype(int) - couple().frames).sum((0, 1, 3))
    assert change[:48].sum() > 0 == change[-32:].sum()


def test_a_face_that_nothing_finds_is_restored_where_it_was_to_be_drawn():
    """Where a smooth patch of skin was drawn, a restorer that knows the face draws one, and then it is found."""
    truth = np.array(alone().truth["cast"][0]["landmarks"], np.float32)
    blank = alone().frames.copy()
    for frame, points in zip(blank, truth, strict=True):
        x, y = points.mean(0).round().astype(int)
        frame[y - 34 : y + 30, x - 26 : x + 26] = frame[y, x]
    assert find_faces(blank, [identity(31).embeddings["dlib-resnet-128"]], None, FPS) == [None]
    sound = alone().sound.astype(np.float32)
    without, seen = (
        restore_faces(Rememberer(aligned(alone().frames, truth)), blank, sound, FPS, [identity(31)], None, 1.0, heads)
        for heads in (None, [truth])
    )
    assert np.array_equal(without, blank)
    error, before = (np.abs(one.astype(int) - alone().frames).mean() for one in (seen, blank))
    assert error < 0.6 * before


def test_who_is_silent_is_told_of_no_sound():
    """The same scene and the same sound: what moves the mouth is only the person's own."""
    torch.manual_seed(0)
    listener = painter(0.0)
    torch.nn.init.normal_(listener.leave.weight, std=0.5)
    speaks, silent = (
        restored(listener, alone(), [identity(31)], [Presence(speaks=spans)]) for spans in (((0.0, 0.4),), ())
    )
    assert not np.array_equal(speaks, silent)


def test_the_nearest_pose_is_shown_first():
    turned = np.array([5.0, 31.0, -32.0, 34.0], np.float32)
    assert nearest_crops(turned, 30.0).tolist() == [1, 3, 0]
    assert nearest_crops(turned, -10.0).tolist() == [0, 2, 1]
    assert nearest_crops(turned[:1], 0.0).tolist() == [0, 0, 0]
