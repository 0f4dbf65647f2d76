"""Stage 6: every clip and every identity through the trained autoencoders, once.

    python -m cameo.training.latents

Writes one file a person: latents of the clips and of the one with the next person, features of the identity, truths for
captions. Run it again after more people were made. Workers on an accelerator share it. The statistics that normalise
latents are measured on the first run and kept: what is trained on them must never see them move.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LTX2Pipeline
from safetensors.torch import save_file
from torch import Tensor

from cameo.backbones.mel import log_mel
from cameo.backbones.nano import NanoConfig
from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.features import features_from_identity
from cameo.conditioning.placing import latent_times
from cameo.training.flow import FRAME_RATE
from cameo.training.guides import guides
from cameo.training.identities import BODY, DIMS, FACE, VOICE
from cameo.training.parts import autoencoders
from cameo.training.run import Stage, sizes
from cameo.training.shards import Shards, to_unit
from cameo.training.together import for_each, worker_options
from cameo.training.transform import has_transform
from enroll.alignment import CROP_SIZE
from enroll.identity import Identity

_MEASURED_ON = 60

_TRUTHS = {"truths": "clips", "together_truths": "together"}

_HEAD_PLACINGS = {"close-up": (0.8, 0.105, 0.106), "medium shot": (0.52, 0.242, 0.123)}
"""Where made-up clips show a head: the mean of what brings the crop's landmarks onto theirs, 718 and 419 clips. They
stray from it by 9 and 5 px across, 5 and 4 px in height and 8 % in size."""


def new_adapter(config: NanoConfig, version: str = "") -> IdentityAdapter:
    """The identity adapter of a nano of these sizes, untrained."""
    return IdentityAdapter(
        face_space=FACE,
        face_dim=DIMS[FACE],
        body_space=BODY,
        body_dim=DIMS[BODY],
        voice_space=VOICE,
        voice_dim=DIMS[VOICE],
        video_latent_channels=config.latent_channels,
        head_grid=CROP_SIZE // config.space,
        head_crops=1,
        head_placings=_HEAD_PLACINGS,
        audio_latent_dim=config.audio_latent_dim,
        token_dim=192,
        tokens_per_embedding=2,
        embedder_width=224,
        depth=0,
        num_layers=config.layers,
        video_dim=config.video_heads * 64,
        video_heads=config.video_heads,
        audio_dim=config.audio_heads * 32,
        base_model="nano",
        base_version=version,
    )


def raw_latents(pipeline: LTX2Pipeline, frames: np.ndarray, sound: np.ndarray) -> tuple[Tensor, Tensor]:
    """Latents before normalisation: (K, C, F, h, w) and packed (K, T, D) of clips (K, T, H, W, 3) and sounds (K, N)."""
    vae, audio_vae = pipeline.vae, pipeline.audio_vae
    video = vae.encode(to_unit(frames).to(vae.device)).latent_dist.mode()
    mel = log_mel(torch.from_numpy(sound)[:, None].to(vae.device))
    audio = pipeline._pack_audio_latents(audio_vae.encode(mel).latent_dist.mode())
    return video.float(), audio.float()


@torch.no_grad()
def main() -> None:
    stage = Stage.parse("latents", __doc__, worker_options)
    shards, folder = Shards.open(stage.folder("people")), stage.folder()
    if not (folder / "statistics.json").exists():
        pipeline = autoencoders(stage.options.runs).to(stage.device)
        _measure(pipeline, shards, folder / "statistics.json")
    todo = [
        (int(source.stem), source, identity, path, stage.options.runs, str(stage.device))
        for source in shards.paths
        if not (path := folder / source.name).exists()
        and (identity := stage.folder("identities") / source.name).exists()
    ]
    for_each(stage, _encode_shard, todo)


@torch.no_grad()
def _encode_shard(seed: int, source: Path, identity: Path, path: Path, runs: Path, device: str) -> None:
    pipeline, shard = _encoders(runs, device), Shards((source,))
    tensors: dict[str, Tensor] = {}
    for which in ("", "together_"):
        sound = shard.tensor(0, f"{which}sound").astype(np.float32) / 32767
        video, audio = raw_latents(pipeline, shard.tensor(0, f"{which}frames"), sound)
        video = pipeline._normalize_latents(video, pipeline.vae.latents_mean, pipeline.vae.latents_std)
        audio = pipeline._normalize_audio_latents(
            audio, pipeline.audio_vae.latents_mean, pipeline.audio_vae.latents_std
        )
        tensors |= {f"{which}video": video.half(), f"{which}audio": audio.half()}
    known = Identity.from_bytes(identity.read_bytes())
    features = features_from_identity(known, pipeline, new_adapter(sizes(runs)).config)
    tensors |= {f"features/{k}": v.contiguous() for k, v in features.tensors().items()}
    tensors |= _guides(pipeline, known, _neighbour(identity, seed), shard, tensors["video"].shape[2])
    tensors = {k: v.cpu() for k, v in tensors.items()}
    truths = shard.truths(0)
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata={name: json.dumps(truths[of]) for name, of in _TRUTHS.items()})
    partial.replace(path)


def _guides(
    pipeline: LTX2Pipeline, known: Identity, neighbour: Identity | None, shard: Shards, frames: int
) -> dict[str, Tensor]:
    """(CLIPS, frames + 1, C, h, w) of the person's clips, and (2, …) of the two in the one with their neighbour."""
    truths, rng = shard.truths(0), np.random.default_rng([0x6D1D, *known.handle.encode()])

    def of(identity: Identity, member: dict[str, Any]) -> Tensor:
        points = np.array(member["landmarks"], np.float32)
        return guides(pipeline, identity.crops_of("head"), points, frames, rng)

    (together,) = truths["together"]
    # Who has no neighbour is never drawn beside one.
    both = zip((known, neighbour or known), together["cast"], strict=True)
    return {
        "guides": torch.stack([of(known, clip["cast"][0]) for clip in truths["clips"]]).half(),
        "together_guides": torch.stack([of(identity, member) for identity, member in both]).half(),
        "guide_times": torch.tensor(latent_times(pipeline.transformer, frames, FRAME_RATE)),
    }


def _neighbour(identity: Path, seed: int) -> Identity | None:
    path = identity.with_stem(f"{seed + 1:0{len(identity.stem)}d}")
    return Identity.from_bytes(path.read_bytes()) if path.exists() else None


@lru_cache(maxsize=1)
def _encoders(runs: Path, device: str) -> LTX2Pipeline:
    """The trained autoencoders; each worker loads them once."""
    return autoencoders(runs).to(device)


def _measure(pipeline: LTX2Pipeline, shards: Shards, path: Path) -> None:
    videos, audios = [], []
    for person in range(min(_MEASURED_ON, len(shards))):
        sound = shards.tensor(person, "sound").astype(np.float32) / 32767
        video, audio = raw_latents(pipeline, shards.tensor(person, "frames"), sound)
        videos.append(video.transpose(0, 1).flatten(1).cpu())
        audios.append(audio.flatten(0, 1).T.cpu())
    figures = {}
    for name, parts in (("video", videos), ("audio", audios)):
        values = torch.cat(parts, 1)
        std = values.std(1)
        if name == "video" and has_transform(pipeline.vae):
            # One scale for all: the transform's faint components stay faint, and the noise hides them first. At equal
            # size they would be most of what there is to learn.
            std = std.square().mean().sqrt().expand_as(std)
        # A channel the autoencoder hardly uses is not blown up to full size.
        figures[name] = {"mean": values.mean(1).tolist(), "std": std.clamp(min=float(std.median()) * 0.1).tolist()}
    path.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
