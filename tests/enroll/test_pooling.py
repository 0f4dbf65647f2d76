"""Views into one vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from enroll.encoders.dlib_resnet import DlibResNet
from enroll.identity import Pose
from enroll.pooling import pool

CARD = replace(DlibResNet.card, space="test-4", dim=4)
UNIT = replace(CARD, unit=True)


def test_better_views_weigh_more() -> None:
    vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
    assert np.allclose(pool(CARD, vectors, [0, 1], [0.9, 0.3]).vector, [0.75, 0.25, 0, 0], atol=1e-6)


def test_one_stranger_among_views_is_left_out() -> None:
    rng = np.random.default_rng(0)
    vectors = (np.array([1, 0, 0, 0]) + 0.02 * rng.normal(size=(9, 4))).astype(np.float32)
    vectors[4] = [0, 0, 1, 0]
    found = pool(CARD, vectors, list(range(9)), [1.0] * 9)
    assert 4.0 not in [view.second for view in found.views]
    assert len(found.views) >= 6
    assert np.linalg.norm(found.vector - [1, 0, 0, 0]) < 0.05


def test_views_keep_their_moment_quality_and_pose_in_clip_order() -> None:
    vectors = np.eye(4, dtype=np.float32)[:3]
    found = pool(CARD, vectors, [2.0, 0.5, 1.0], [0.3, 0.2, 0.1], [Pose(3), Pose(2), Pose(1)], length=1.5)
    assert [(v.second, v.quality, v.pose.yaw) for v in found.views] == [(0.5, 0.2, 2), (1.0, 0.1, 1), (2.0, 0.3, 3)]
    assert np.array_equal([v.vector for v in found.views], vectors[[1, 2, 0]])
    assert found.seconds == 1.5


@given(
    arrays(np.float32, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-1, 1, width=32)),
    st.floats(0, 1),
)
@example(np.float32([[1, 1e-14, 1e-14, 1e-14], *[[1e-14] * 4] * 3]), 0.0)
def test_always_finite_and_of_unit_length_where_the_space_says_so(vectors: np.ndarray, quality: float) -> None:
    count = len(vectors)
    found = pool(UNIT, vectors, list(range(count)), [quality] * count)
    assert len(found.views) >= count - count // 3
    assert found.vector.dtype == np.float32
    norm = float(np.linalg.norm(found.vector))
    assert np.isclose(norm, 1, atol=1e-3) or norm < 1e-3 or np.linalg.norm(vectors.mean(0)) < 1e-3
    assert 0 <= found.quality <= 1
