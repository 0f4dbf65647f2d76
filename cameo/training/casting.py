"""Who is in the clips of a batch, told to the transformer as generation tells it: one person anywhere, or two beside
each other, each drawn on their side and heard in their time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from diffusers import LTX2VideoTransformer3DModel
from torch import Tensor

from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.attach import conditioned
from cameo.conditioning.routing import Routing
from cameo.conditioning.types import IdentityTokens
from cameo.staging import SIDES
from cameo.training.flow import Batch
from cameo.training.people import SIZE

__all__ = ["cast"]


def cast(
    transformer: LTX2VideoTransformer3DModel, adapter: IdentityAdapter, batch: Batch
) -> AbstractContextManager[None]:
    """Within the block, the transformer draws and voices the people of the batch; the adapter learns from it."""
    tokens = adapter(batch.people)
    if batch.partners is None or batch.spoken is None:
        return conditioned(transformer, tokens)
    presences = (SIDES["left"], SIDES["right"])
    people = [tokens, adapter(batch.partners)]
    lengths = ([one.video.shape[1] for one in people], [one.audio.shape[1] for one in people])
    routing = _OwnTimes(presences, *lengths, SIZE, SIZE, batch.spoken)
    return conditioned(transformer, IdentityTokens.beside(people), routing=routing)


@dataclass(repr=False)
class _OwnTimes(Routing):
    """A batch of scenes in each of which people speak at other times.

    Args:
        spoken: (B, people, 2): when each begins and ends, in seconds.
    """

    spoken: Tensor

    def _heard(self, seconds: Tensor) -> list[Tensor]:
        begin, end = self.spoken.to(seconds.device).unbind(-1)
        at = seconds[:, None]
        return list(((begin[..., None] <= at) & (at <= end[..., None])).to(seconds.dtype).unbind(1))
