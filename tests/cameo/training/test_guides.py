"""Crops laid where a clip shows a head."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import LTX2Pipeline

from cameo.backbones.nano import build
from cameo.training.flow import latent_points
from cameo.training.guides import guides
from enroll.alignment import HEAD_LANDMARKS
from enroll.identity import Crop, Pose
from tests.cameo.tiny import TINY


@pytest.fixture(scope="module")
def pipeline() -> LTX2Pipeline:
    return build(TINY, ["a"], seed=0)


def crop(colour: tuple[int, int, int], yaw: float) -> Crop:
    return Crop("head", np.full((128, 128, 3), colour, np.uint8), 0.0, 1.0, Pose(yaw, 0.0, 0.0))


def head(x: float, count: int = 9) -> np.ndarray:
    """Landmarks of a head that stays at ``x`` pixels, (T, 5, 2)."""
    return np.repeat((HEAD_LANDMARKS * 0.4 + [x, 40.0])[None], count, 0).astype(np.float32)


def test_the_first_frame_has_a_latent_of_its_own():
    points = torch.arange(9.0)[:, None, None] * torch.ones(1, 5, 2)
    assert latent_points(points, 3)[:, 0, 0].tolist() == [0.0, 2.5, 6.5]


@torch.no_grad()
def test_a_crop_goes_where_the_head_goes(pipeline: LTX2Pipeline):
    crops = [crop((240, 30, 30), 0.0)]

    def laid(points: np.ndarray) -> torch.Tensor:
        return guides(pipeline, crops, points, 3, np.random.default_rng(0))

    still = laid(head(10.0))
    assert still.shape[0] == 4 and torch.allclose(still, still[:1].expand_as(still), atol=1e-4)
    moving = laid(np.concatenate([head(10.0, 5), head(60.0, 4)]))
    assert torch.allclose(moving[:2], still[:2], atol=1e-4) and not torch.allclose(moving[2], still[2], atol=0.05)
    assert not torch.allclose(moving[3], moving[0], atol=0.05), "the last is for the whole clip"


@torch.no_grad()
def test_it_is_mostly_the_crop_that_looks_into_the_camera(pipeline: LTX2Pipeline):
    crops = [crop((240, 30, 30), 25.0), crop((30, 30, 240), 1.0)]
    red, blue = (guides(pipeline, [one], head(10.0), 1 + 2, np.random.default_rng(0))[0] for one in crops)
    drawn = [guides(pipeline, crops, head(10.0), 3, np.random.default_rng(seed))[0] for seed in range(40)]
    frontal = sum(bool((one - blue).norm() < (one - red).norm()) for one in drawn)
    assert 25 <= frontal < 40
