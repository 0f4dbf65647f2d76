"""The network that restores a drawn face from pictures of the person and what they say.

Restoration by reference (Li et al., "Learning warped guidance for blind face restoration", ECCV 2018): a drawn face,
aligned, beside enrolled crops aligned alike, and what the recogniser knows of the person. Of the mouth it is shown only
the mean of the clip, so that how far it opens follows the sound (as in Prajwal et al., "A lip sync expert is all you
need", 2020): the opening is told from the sound first, and drawn then. A U-Net of ConvNeXt blocks (Liu et al., 2022),
each moved by scale and shift (Perez et al., "FiLM", 2018).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional

from cameo.conditioning.errors import AdapterMismatch, AdapterUnreadable
from cameo.conditioning.pretrained import read_module

__all__ = ["FACE", "REFERENCES", "SOUND_BANDS", "SOUND_STEPS", "FaceRestorer", "load_restorer"]

FACE: Final = 112
"""Edge of an aligned face in pixels."""
REFERENCES: Final = 3
"""Crops of the person that are shown beside it."""
SOUND_BANDS, SOUND_STEPS = 32, 16
"""Of the log-mel spectrogram about a frame."""


class FaceRestorer(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Aligned faces to what they should look like.

    Args:
        widths: channels at half, quarter and eighth of the size.
        depths: blocks at each; those of the first two come again on the way up.
        face_space: name of the face embedding space that descriptors are of.
        descriptor: length of one.
        condition: length of what moves the blocks.
    """

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, int, int] = (48, 64, 96),
        depths: tuple[int, int, int] = (2, 2, 4),
        face_space: str = "dlib-resnet-128",
        descriptor: int = 128,
        condition: int = 64,
    ) -> None:
        super().__init__()
        near, middle, far = widths
        self.person = nn.Linear(descriptor, condition)
        self.sound = nn.Sequential(nn.Linear(SOUND_BANDS * SOUND_STEPS, condition), nn.GELU())
        self.said = nn.Linear(condition, condition)
        self.opens = nn.Linear(condition, 1)
        # Where in the face something is says what it is: coordinates are two more channels (Liu et al., 2018).
        self.enter = nn.Conv2d(4 * (3 + 3 * REFERENCES + 3), near, 3, padding=1)
        self.down = nn.ModuleList([_Blocks(near, depths[0], condition), _Blocks(middle, depths[1], condition)])
        self.smaller = nn.ModuleList([nn.Conv2d(near, middle, 2, 2), nn.Conv2d(middle, far, 2, 2)])
        self.bottom = _Blocks(far, depths[2], condition)
        self.larger = nn.ModuleList([nn.Conv2d(far, 4 * middle, 1), nn.Conv2d(middle, 4 * near, 1)])
        self.up = nn.ModuleList([_Blocks(middle, depths[1], condition), _Blocks(near, depths[0], condition)])
        self.leave = nn.Conv2d(near, 4 * 3, 3, padding=1)
        for untrained in self.leave.parameters():
            nn.init.zeros_(untrained)

    def opening(self, sound: Tensor) -> Tensor:
        """How far a mouth that makes this sound is open, 0 to 1, (B,); ``sound`` as in ``forward``."""
        return self.opens(self.sound(sound.flatten(1))).sigmoid().flatten()

    def forward(
        self, drawn: Tensor, references: Tensor, person: Tensor, sound: Tensor, opening: Tensor | None = None
    ) -> Tensor:
        """
        Args:
            drawn: aligned, the mouth as it is on average, in [-1, 1], (B, 3, FACE, FACE).
            references: aligned likewise, the likest pose first, (B, REFERENCES, 3, FACE, FACE).
            person: descriptor, of unit length, (B, descriptor).
            sound: log-mel of the person's speech about the frame, about [-1, 1], (B, SOUND_BANDS, SOUND_STEPS); -1 is
                silence.
            opening: how far the mouth is open, 0 to 1, (B,); None: as the sound has it.

        Returns:
            The faces, (B, 3, FACE, FACE).
        """
        heard = self.sound(sound.flatten(1))
        condition = self.person(person) + self.said(heard)
        opening = self.opening(sound) if opening is None else opening
        open_ = (opening * 2 - 1).view(-1, 1, 1, 1).expand(-1, -1, FACE, FACE)
        line = torch.linspace(-1, 1, FACE, device=drawn.device, dtype=drawn.dtype)
        where = torch.stack(torch.meshgrid(line, line, indexing="ij")).expand(len(drawn), -1, -1, -1)
        seen = torch.cat([drawn, references.flatten(1, 2), where, open_], 1)
        x = self.enter(functional.pixel_unshuffle(seen, 2))
        kept = []
        for blocks, smaller in zip(self.down, self.smaller, strict=True):
            x = blocks(x, condition)
            kept.append(x)
            x = smaller(x)
        x = self.bottom(x, condition)
        for larger, blocks in zip(self.larger, self.up, strict=True):
            x = blocks(functional.pixel_shuffle(larger(x), 2) + kept.pop(), condition)
        return drawn + functional.pixel_shuffle(self.leave(x), 2)


class _Block(nn.Module):
    """ConvNeXt's, with FiLM after the norm."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.GroupNorm(1, width, affine=False)
        self.film = nn.Linear(condition, 2 * width)
        self.expand, self.contract = nn.Conv2d(width, 2 * width, 1), nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition)[..., None, None].chunk(2, 1)
        moved = self.norm(self.depthwise(x)) * (1 + scale) + shift
        return x + self.contract(functional.gelu(self.expand(moved)))


class _Blocks(nn.ModuleList):
    """Several, one after the other."""

    def __init__(self, width: int, depth: int, condition: int) -> None:
        super().__init__([_Block(width, condition) for _ in range(depth)])

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        for block in self:
            x = block(x, condition)
        return x


def load_restorer(folder: str | Path) -> FaceRestorer:
    """A restorer from a folder that ``save_pretrained`` wrote (safetensors).

    Raises:
        AdapterUnreadable: the folder holds none, or a damaged one.
        AdapterMismatch: it was never trained: it would still every mouth, and restore nothing.
    """
    restorer = read_module(FaceRestorer, folder, "restorer")
    for name, weight in restorer.named_parameters():
        if not bool(weight.isfinite().all()):
            raise AdapterUnreadable(f"the restorer's weight {name!r} holds numbers that are none; get it again")
    if not bool(restorer.leave.weight.any()):
        raise AdapterMismatch(f"the restorer in {folder} was never trained", hint="train one, or take the folder away")
    return restorer
