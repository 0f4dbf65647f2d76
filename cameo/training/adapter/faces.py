"""Whether the clips of one person show one face: a consent does not say which clip it is of, and somebody else's could
lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from enroll.encoders import registry
from enroll.looks import Look, spread
from enroll.subject import SAME_FACE

__all__ = ["SPACE", "describe", "of_one_face"]

SPACE: Final = "dlib-resnet-128"
"""In which faces are told apart, whatever the adapter reads: it is on every machine, and its distances are known."""

_LOOKS = 8


def describe(looks: Sequence[Look]) -> NDArray[np.float32]:
    """One face in ``SPACE``, (128,): the mean of its most different looks, one at least."""
    return registry.get(SPACE).encode(spread(looks, _LOOKS)).mean(0)


def of_one_face(faces: Mapping[str, NDArray[np.float32]]) -> set[str]:
    """The clips that show the face which more than half of them show.

    Args:
        faces: by clip, see ``describe``.

    Returns:
        Their names; none where no face is in more than half: then nobody can tell whose the consents are.
    """
    names = sorted(faces)
    if len(names) < 2:
        return set(names)
    # Each to the nearest of its group: looks change with age and light by degrees.
    groups = fcluster(linkage(np.stack([faces[name] for name in names]), "single"), SAME_FACE, "distance")
    largest = int(np.bincount(groups).argmax())
    most = {name for name, group in zip(names, groups, strict=True) if group == largest}
    return most if 2 * len(most) > len(names) else set()
