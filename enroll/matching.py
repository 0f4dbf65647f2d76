"""Are the face and the voice that answered a challenge those that are learnt: in figures, for the consent record.

That it is one person is decided before, by following the face and by parting the speech; what is measured here says how
sure that is, and refuses where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enroll.background import Spans
from enroll.clip import SAMPLE_RATE
from enroll.encoders import registry
from enroll.encoders.base import Encoder, unit_rows
from enroll.evidence import Match
from enroll.looks import Look, spread
from enroll.speakers import SPACE, same_voice
from enroll.subject import SAME_FACE
from enroll.voice import Heard

__all__ = ["match_face", "match_voice"]

_LOOKS = 8
_HOP = 0.4


def match_face(looks: Sequence[Look], encoder: Encoder, begin: float, end: float) -> Match | None:
    """The face between two seconds, against all of it.

    Args:
        looks: of the person, in clip order.
        encoder: of the space ``dlib-resnet-128``.

    Returns:
        None where nobody looked at the face in that time.
    """
    then = [look for look in looks if begin <= look.second <= end]
    if not then:
        return None
    near, all_ = (encoder.encode(spread(some, _LOOKS)).mean(0) for some in (then, looks))
    return Match(
        of="face",
        by=encoder.card.space,
        measure="distance",
        score=round(float(np.linalg.norm(near - all_)), 3),
        threshold=SAME_FACE,
    )


def match_voice(heard: Heard, sound: NDArray[np.float32], own: Spans, begin: float, end: float) -> Match | None:
    """The voice between two seconds, against all of it.

    Args:
        heard: the person's speech, as it is learnt.
        sound: of the whole clip, mono float32 at 16 kHz, shape (N,).
        own: the person's speech: (first sample, end) in ``sound``.

    Returns:
        None where they do not speak in that time.
    """
    first, last = round(begin * SAMPLE_RATE), round(end * SAMPLE_RATE)
    pieces = [sound[max(b, first) : min(e, last)] for b, e in own if b < last and e > first]
    if not pieces:
        return None
    encoder = registry.get(SPACE)
    near, all_ = (_windows(samples, encoder) for samples in (np.concatenate(pieces), heard.samples))
    means = unit_rows(np.stack([near.mean(0), all_.mean(0)]))
    return Match(
        of="voice",
        by=SPACE,
        measure="cosine",
        score=round(float(means[0] @ means[1]), 3),
        threshold=round(same_voice(len(near), len(all_)), 3),
    )


def _windows(samples: NDArray[np.float32], encoder: Encoder) -> NDArray[np.float32]:
    window, hop = round((encoder.card.window or 0) * SAMPLE_RATE), round(_HOP * SAMPLE_RATE)
    starts = range(0, max(1, len(samples) - window + 1), hop)
    return encoder.encode([samples[at : at + window] for at in starts])
