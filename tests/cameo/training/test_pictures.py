"""What the video autoencoder is shown: windows of the right frames, the weight where the face is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cameo.training.pictures import CLIP, Pictures, face_weight

PEOPLE, CLIPS, FRAMES = 3, 2, 25


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """A face is a bright patch of 12 px about its landmarks; the frame's number is the blue of the background."""
    generator = np.random.default_rng(0)

    def drawn(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        frames = np.zeros((count, size, size, 3), np.uint8)
        points = np.zeros((count, 5, 2), np.float32)
        for i in range(count):
            frames[i, :, :, 2] = 4 * (i % FRAMES)
            x, y = generator.integers(40, size - 40, 2)
            frames[i, y - 6 : y + 7, x - 6 : x + 7, 0] = 255
            points[i] = np.array([[-4, -4], [4, -4], [0, 0], [-4, 4], [4, 4]]) + np.array([x, y])
        return torch.from_numpy(frames), torch.from_numpy(points)

    clips, clip_points = drawn(PEOPLE * CLIPS * FRAMES, 128)
    references, reference_points = drawn(PEOPLE * 13, 160)
    return Pictures(
        clips.view(PEOPLE, CLIPS, FRAMES, 128, 128, 3),
        clip_points.view(PEOPLE, CLIPS, FRAMES, 5, 2),
        references.view(PEOPLE, 13, 160, 160, 3),
        reference_points.view(PEOPLE, 13, 5, 2),
    )


def faces_are_where_the_weight_is(frames: torch.Tensor, weight: torch.Tensor) -> int:
    """How many whole faces were seen; each must lie where the weight is greatest."""
    seen = 0
    for picture, heavy in zip(frames.transpose(1, 2).flatten(0, 1), weight.transpose(1, 2).flatten(0, 1), strict=True):
        red = picture[0] > 0
        if int(red.sum()) < 13 * 13:
            continue
        seen += 1
        ys, xs = torch.nonzero(red, as_tuple=True)
        y, x = np.unravel_index(int(heavy[0].argmax()), heavy[0].shape)
        assert abs(float(ys.float().mean()) - y) < 2.5
        assert abs(float(xs.float().mean()) - x) < 2.5
    return seen


@pytest.mark.parametrize("edge", [64, 128])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_stills(pictures: Pictures, edge: int, seed: int):
    seen = pictures.stills(24, edge, np.random.default_rng(seed))
    frames, weight = seen.frames, seen.weight
    assert seen.points.shape == (24, 1, 5, 2)
    assert frames.shape == (24, 3, 1, edge, edge)
    assert weight.shape == (24, 1, 1, edge, edge)
    assert frames.min() >= -1
    assert frames.max() <= 1
    assert faces_are_where_the_weight_is(frames, weight) >= 10


def test_clips_hold_frames_that_follow_each_other(pictures: Pictures):
    seen = pictures.moving(16, 64, np.random.default_rng(0))
    frames, weight = seen.frames, seen.weight
    assert frames.shape == (16, 3, CLIP, 64, 64)
    assert weight.shape == (16, 1, CLIP, 64, 64)
    blue = ((frames[:, 2] + 1) * 127.5).flatten(2).amin(-1)
    assert torch.allclose(blue.diff(dim=1), torch.full((16, CLIP - 1), 4.0), atol=1e-3)


def test_landmarks_move_with_the_window_and_are_named_by_the_side_they_are_on(pictures: Pictures):
    seen = pictures.moving(24, 96, np.random.default_rng(3))
    eyes, mouth = seen.points[..., :2, :], seen.points[..., 3:, :]
    assert bool((eyes[..., 0, 0] < eyes[..., 1, 0]).all() and (mouth[..., 0, 0] < mouth[..., 1, 0]).all())
    whole = 0
    for picture, points in zip(seen.frames.transpose(1, 2).flatten(0, 1), seen.points.flatten(0, 1), strict=True):
        ys, xs = torch.nonzero(picture[0] > 0, as_tuple=True)
        if len(xs) == 13 * 13:
            whole += 1
            assert (xs.float().mean() - points[2, 0]).abs() < 0.51 and (ys.float().mean() - points[2, 1]).abs() < 0.51
    assert whole > 20


def test_the_same_draw_twice(pictures: Pictures):
    first, again = (pictures.stills(4, 64, np.random.default_rng(5)).frames for _ in range(2))
    assert torch.equal(first, again)


def test_weight_is_five_in_the_face_and_one_far_away():
    points = torch.tensor([[30.0, 30], [40, 30], [35, 35], [31, 40], [39, 40]])
    weight = face_weight(points, 128, 96)
    assert weight.shape == (128, 96)
    assert float(weight[35, 35]) == pytest.approx(5, abs=0.01)
    assert float(weight[120, 90]) == pytest.approx(1, abs=0.01)
