"""The generator that is trained for, in two halves: what encodes, and the transformer. Never both at once where memory
is scarce: the text encoder alone is as large as a transformer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2.vocoder import LTX2Vocoder

from cameo.backbones.checkpoint import folder_of, refusing
from cameo.backbones.defaults import Defaults, read_defaults
from cameo.conditioning.adapter import IdentityAdapter
from cameo.conditioning.published import PublishedResampler, begin_from, read_resampler
from cameo.pipeline import CameoLTX2Pipeline
from cameo.training.adapter.settings import Settings
from enroll.alignment import CROP_SIZE
from enroll.encoders import registry
from enroll.errors import WeightsMissing

__all__ = ["Generator", "let_go", "new_adapter"]


@dataclass(frozen=True)
class Generator:
    """A checkpoint on this machine.

    Attributes:
        name: as it was asked for.
        folder: where it is.
        dtype: of its weights while they are frozen.
    """

    name: str
    folder: Path
    dtype: torch.dtype

    @classmethod
    def find(cls, name: str, dtype: torch.dtype) -> Generator:
        """Where it is; nothing is loaded, and nothing downloaded.

        Raises:
            BadInput: there is such a folder, and it holds no LTX-2 checkpoint.
            WeightsMissing: it is not on this machine.
        """
        folder = folder_of(name)
        if folder is None:
            raise WeightsMissing(
                f"model {name!r} is not on this machine", hint=f"run `hf download {name}`, or give its folder"
            )
        return cls(name, folder, dtype)

    @property
    def base(self) -> str:
        """How an adapter names it: its hub id, or the name of its folder."""
        return self.folder.resolve().name if Path(self.name).is_dir() else self.name

    def encoders(self, device: torch.device) -> CameoLTX2Pipeline:
        """The pipeline without its transformer.

        Raises:
            BadInput, WeightsMissing: it is damaged, or not all there.
        """
        with refusing(self.name):
            pipeline = CameoLTX2Pipeline.from_pretrained(
                self.folder, transformer=None, dtype=self.dtype, use_safetensors=True, local_files_only=True
            )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def transformer(self) -> LTX2VideoTransformer3DModel:
        """The transformer, frozen, on the CPU. Raises as ``encoders`` does."""
        with refusing(self.name):
            transformer = LTX2VideoTransformer3DModel.from_pretrained(
                self.folder,
                subfolder="transformer",
                torch_dtype=self.dtype,
                use_safetensors=True,
                local_files_only=True,
            )
        return transformer.requires_grad_(False)

    def defaults(self) -> Defaults:
        """How it wants to be run. Raises as ``encoders`` does."""
        with refusing(self.name):
            vocoder = LTX2Vocoder.load_config(self.folder, subfolder="vocoder")
            return read_defaults(self.folder) or Defaults.usual(int(vocoder["output_sampling_rate"]))

    def shape(self) -> dict[str, Any]:
        """The transformer's configuration."""
        with refusing(self.name):
            return dict(LTX2VideoTransformer3DModel.load_config(self.folder, subfolder="transformer"))


def let_go(pipeline: CameoLTX2Pipeline) -> None:
    """What only encodes prompts makes room for the transformer."""
    pipeline.register_modules(text_encoder=None, tokenizer=None)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def new_adapter(
    settings: Settings, shape: dict[str, Any], pipeline: CameoLTX2Pipeline, resampler: Path | None = None
) -> IdentityAdapter:
    """An untrained adapter for this generator; the same seed gives the same weights.

    Args:
        settings: of the run.
        shape: the transformer's configuration.
        pipeline: whose autoencoders encode crops and speech.
        resampler: a published one for its faces to begin from, see ``cameo.conditioning.published``.

    Raises:
        AdapterUnreadable: ``resampler`` holds none that is known.
        AdapterMismatch: it reads embeddings of another width than the face space has.
    """
    faces, published = (None, None) if resampler is None else read_resampler(resampler)
    face, body, voice = (
        registry.find(space).card for space in (settings.face_space, settings.body_space, settings.voice_space)
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        adapter = IdentityAdapter(
            face_resampler=faces,
            face_space=face.space,
            face_dim=face.dim,
            body_space=body.space,
            body_dim=body.dim,
            voice_space=voice.space,
            voice_dim=voice.dim,
            video_latent_channels=shape["in_channels"],
            head_grid=CROP_SIZE // pipeline.vae_spatial_compression_ratio,
            audio_latent_dim=shape["audio_in_channels"],
            token_dim=settings.token_dim,
            depth=settings.depth,
            heads=settings.heads,
            num_layers=shape["num_layers"],
            video_dim=shape["num_attention_heads"] * shape["attention_head_dim"],
            video_heads=shape["num_attention_heads"],
            audio_dim=shape["audio_num_attention_heads"] * shape["audio_attention_head_dim"],
            base_model=settings.base,
            base_version=settings.version,
        )
    if published is not None:
        begin_from(cast(PublishedResampler, adapter.face.net), published, settings.face_length)
    return adapter
