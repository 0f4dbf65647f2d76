"""What people cost: a denoising step of nano's with one and with four, as ratios to one with nobody, in one run.

    python -m benchmarks.identity_cost
    python -m benchmarks.identity_cost --random --blocks 1 --latents 4 --repeats 5

Passes take turns, so that what else the machine does meets all alike. ``--model`` takes a checkpoint folder with an
adapter; ``--random`` builds LTX-2's transformer with random weights, for an accelerator: in its full width always, and
of its 48 blocks, which are all alike, and its 16 latents in time as many as are asked for. With fewer latents people
cost a larger share: the scene's attention to itself grows with their square.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from statistics import median

import torch
from diffusers import LTX2VideoTransformer3DModel

from cameo.conditioning import IdentityAdapter, IdentityTokens, Presence, attach, conditioned
from cameo.conditioning.proof import somebody
from cameo.conditioning.routing import Routing

PEOPLE = (0, 1, 4)
_LTX2 = "LTX-2, random weights, {blocks} of 48 blocks, {latents} latents of 512×768"
_QUARTERS = tuple(Presence.at(n / 4, 0.0, (n + 1) / 4, 1.0) for n in range(4))


def main() -> None:
    options = _options()
    transformer, adapter, size = _full(options) if options.random else _opened(options.model, options.device)
    frames, height, width = size
    attach(transformer, adapter)
    run = _pass(transformer, frames, height, width, options.text or (1024 if options.random else 48))
    with torch.inference_mode():
        tokens = adapter(somebody(adapter))
    spoken: dict[int, list[float]] = {people: [] for people in PEOPLE}
    memory: dict[int, float] = {}
    with torch.inference_mode():
        for people in PEOPLE:
            with _with(transformer, tokens, people, height, width):
                run()
                run()
                memory[people] = _peak(run, transformer.device)
        for _ in range(options.repeats):
            for people in PEOPLE:
                with _with(transformer, tokens, people, height, width):
                    run()  # the first pass computes keys and values, the others find them
                    began = time.perf_counter()
                    run()
                    spoken[people].append(time.perf_counter() - began)
    nobody = spoken[0]
    figures: dict[str, object] = {"model": _LTX2.format(**vars(options)) if options.random else options.model}
    figures["device"] = str(transformer.device)
    for people in PEOPLE[1:]:
        ratios = [with_them / without for with_them, without in zip(spoken[people], nobody, strict=True)]
        figures[f"time, {people} people / nobody"] = round(median(ratios), 3)
        if memory[0]:
            figures[f"peak memory, {people} people / nobody"] = round(memory[people] / memory[0], 3)
    figures["seconds a step with nobody"] = round(median(nobody), 4)
    print(json.dumps(figures, indent=1))


def _with(
    transformer: LTX2VideoTransformer3DModel, person: IdentityTokens, people: int, height: int, width: int
) -> AbstractContextManager[None]:
    if people == 0:
        return nullcontext()
    cast = [person] * people
    routing = None
    if people > 1:
        lengths = [[getattr(one, stream).shape[1] for one in cast] for stream in ("video", "audio")]
        space = transformer.config.vae_scale_factors[1]
        routing = Routing(_QUARTERS[:people], *lengths, height * space, width * space)
    return conditioned(transformer, IdentityTokens.beside(cast), routing=routing)


def _pass(
    transformer: LTX2VideoTransformer3DModel, frames: int, height: int, width: int, text: int
) -> Callable[[], None]:
    config, device, dtype = transformer.config, transformer.device, transformer.dtype
    sound = round(frames * config.vae_scale_factors[0])

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, device=device, dtype=dtype)

    widths = (
        (config.caption_channels,) * 2
        if config.use_prompt_embeddings
        else (config.cross_attention_dim, config.audio_cross_attention_dim)
    )
    timestep = torch.full((1,), 500.0, device=device)
    given = {
        "hidden_states": noise(frames * height * width, config.in_channels),
        "audio_hidden_states": noise(sound, config.audio_in_channels),
        "encoder_hidden_states": noise(text, widths[0]),
        "audio_encoder_hidden_states": noise(text, widths[1]),
        "timestep": timestep,
        "sigma": timestep,
        "num_frames": frames,
        "height": height,
        "width": width,
        "fps": 24.0,
        "audio_num_frames": sound,
        "return_dict": False,
    }

    def run() -> None:
        transformer(**given)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def _peak(run: Callable[[], None], device: torch.device) -> float:
    """Bytes on an accelerator; 0 elsewhere."""
    if device.type != "cuda":
        return 0.0
    torch.cuda.reset_peak_memory_stats(device)
    run()
    return float(torch.cuda.max_memory_allocated(device))


def _opened(model: str, device: str) -> tuple[LTX2VideoTransformer3DModel, IdentityAdapter, tuple[int, int, int]]:
    from cameo import backbones

    backbone = backbones.load(model, device)
    pipeline, defaults = backbone.pipeline, backbone.defaults
    time_, space = pipeline.vae_temporal_compression_ratio, pipeline.vae_spatial_compression_ratio
    size = ((defaults.frames - 1) // time_ + 1, defaults.height // space, defaults.width // space)
    if backbone.adapter is None:
        raise SystemExit(f"{model} brings no identity adapter")
    return pipeline.transformer, backbone.adapter, size


def _full(
    options: argparse.Namespace,
) -> tuple[LTX2VideoTransformer3DModel, IdentityAdapter, tuple[int, int, int]]:
    """LTX-2's shape: 121 frames of 512×768, unless fewer are asked for."""
    # bfloat16 is slower than float32 on most CPUs.
    dtype = torch.float32 if options.device == "cpu" else torch.bfloat16
    with torch.device(options.device):
        transformer = LTX2VideoTransformer3DModel(num_layers=options.blocks).to(dtype).eval()
        adapter = IdentityAdapter(
            audio_latent_dim=128,
            token_dim=512,
            num_layers=options.blocks,
            video_dim=4096,
            video_heads=32,
            audio_dim=2048,
        ).to(dtype)
    return transformer, adapter.eval(), (options.latents, 16, 24)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--random", action="store_true", help="LTX-2's shape, random weights")
    parser.add_argument("--blocks", type=int, default=48, help="of it")
    parser.add_argument("--latents", type=int, default=16, help="in time, of its scene")
    parser.add_argument("--text", type=int, help="tokens of the prompt (1024 of LTX-2, 48 of others)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=40)
    return parser.parse_args()


if __name__ == "__main__":
    main()
