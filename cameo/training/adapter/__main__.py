"""Train an identity adapter for a large generator, from clips of people who agreed to it.

    cameo train adapter clips/ --model Lightricks/LTX-2 --out adapters/mine

DATA is a folder: NAME.mp4, beside it NAME.consent.json, a signed consent with the use "train", and NAME.txt, a caption,
where there is one; or .tar shards with the same members (WebDataset). Of everybody two clips or more: what is told of a
person comes from another clip than what is to be drawn. A clip without a consent in force is never opened.

The run lies in a folder of its own, RUN (by default OUT.run):
  entries/   what was prepared of the clips: latents, crops, embeddings. Biometric; sealed with AES-256-GCM.
  key        the key of the entries, sealed by the home ($CAMEO_HOME). Without it, nothing opens them.
  checkpoint.safetensors, run.json
             weights, their average and the optimiser's moments; what was asked for. Nothing of anybody.
  figures.jsonl, tensorboard/
             losses, learning rate, and likeness of people who were held out; pictures only with --pictures.
To destroy what is biometric: cameo train adapter --destroy RUN. It is done by itself when OUT is written.
Killed at any moment, the same command goes on from the last checkpoint.

Several processes:   accelerate launch --num_processes 8 -m cameo.training.adapter DATA --model M --out OUT
A transformer that does not fit one device is sharded by FSDP2: see docs/training.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cameo.errors import InputRefused, UsageError
from enroll.errors import KitError

if TYPE_CHECKING:
    from accelerate import Accelerator

    from cameo.training.adapter.generator import Generator
    from cameo.training.adapter.settings import Settings

# Options that are settings under the same name; left out, as ``Settings`` has them.
_CHOSEN = (
    *("face_length", "windows", "trust_voice", "token_dim", "depth", "rank", "batch", "steps", "lr", "warmup"),
    *("drop", "ema", "precision", "seed", "held_out", "prompt"),
)


def main(words: list[str] | None = None) -> int:
    """Run; returns the exit status."""
    options = _parser().parse_args(words)
    console = Console(stderr=True, highlight=False)

    def say(line: str) -> None:
        console.print(line, markup=False, soft_wrap=True)

    try:
        if options.destroy is not None:
            if not (options.destroy / "run.json").is_file():
                raise UsageError(f"{options.destroy} is no folder of a run", hint="it is OUT.run, or what --run said")
            from cameo.training.adapter.sealed import destroy

            destroy(options.destroy)
            say(f"what was prepared in {options.destroy} can be opened by nobody any more")
            return 0
        if options.data is None or options.model is None or options.out is None:
            raise UsageError("DATA, --model and --out are needed", hint="see: cameo train adapter --help")
        import torch
        from accelerate import Accelerator

        accelerator = Accelerator(
            # Not told so, several processes without an accelerator would not know of each other.
            cpu=not torch.accelerator.is_available(),
            mixed_precision="no",
            gradient_accumulation_steps=max(1, options.accumulate),
        )
        try:
            _train(options, accelerator, say)
        finally:
            accelerator.end_training()
    except KitError as error:
        if int(os.environ.get("RANK", "0")) == 0:  # the others found the same
            say(f"error: {error.message}{f' ({error.hint})' if error.hint else ''}")
        return error.exit_status
    return 0


def _train(options: argparse.Namespace, accelerator: Accelerator, say: Any) -> None:
    import torch

    from cameo.studio import default_home
    from cameo.training.adapter.generator import Generator
    from cameo.training.adapter.run import Asked, train

    half = options.precision == "bf16" and accelerator.device.type != "cpu"
    generator = Generator.find(options.model, torch.bfloat16 if half else torch.float32)
    asked = Asked(
        data=options.data,
        out=options.out,
        run=options.run or options.out.with_name(f"{options.out.name}.run"),
        home=default_home(),
        trust=frozenset(options.trust),
        resampler=options.face_resampler,
        every=max(1, options.every),
        denoising=max(1, options.scene_steps),
        judge=options.judge,
        pictures=options.pictures,
    )
    train(asked, generator, _settings(options, generator), accelerator, say)


def _settings(options: argparse.Namespace, generator: Generator) -> Settings:
    """What was asked for; the rest as the generator and the installed encoders have it."""
    from pydantic import ValidationError

    from cameo.training.adapter.settings import Settings
    from enroll.documents import complaint
    from enroll.encoders import registry

    usual = generator.defaults()
    chosen = {name: getattr(options, name) for name in _CHOSEN}
    fields = {
        "model": generator.name,
        "base": generator.base,
        "version": usual.version,
        "height": options.height or usual.height,
        "width": options.width or usual.width,
        "frames": options.frames or usual.frames,
        "fps": options.fps or usual.frame_rate,
        "face_resampler": "" if options.face_resampler is None else _digest(options.face_resampler),
        **{
            f"{modality}_space": getattr(options, f"{modality}_space") or registry.default(modality)[0]
            for modality in ("face", "body", "voice")
        },
    }
    try:
        return Settings.model_validate(fields | {name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        raise UsageError(complaint(error), hint="see: cameo train adapter --help") from None


def _digest(file: Path) -> str:
    from enroll.encoders.checksums import sha256

    try:
        return sha256(file)
    except OSError as error:
        raise InputRefused(f"{file} cannot be read: {error.strerror}", hint="give --face-resampler a file") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cameo train adapter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("data", metavar="DATA", nargs="?", type=Path, help="folder of clips or .tar shards, or one shard")
    add("--model", metavar="M", help="folder or hub id of an LTX-2 checkpoint on this machine")
    add("--out", metavar="FOLDER", type=Path, help="what the adapter becomes; must not exist")
    add("--run", metavar="FOLDER", type=Path, help="of the run itself (default: OUT.run)")
    add("--destroy", metavar="RUN", type=Path, help="end what was prepared of clips in this run, and do nothing else")
    whom = parser.add_argument_group("who is learned from")
    add = whom.add_argument
    add("--trust", metavar="THUMBPRINT", action="append", default=[], help="whose signature on a consent counts too")
    add("--trust-voice", action="store_true", help="the one voice in a clip is the person's, seen to speak or not")
    add("--held-out", metavar="SHARE", type=float, help="of people, kept for validation by a hash of their id (0.05)")
    add("--face-space", metavar="SPACE", help="embedding that is conditioned on; likewise body and voice")
    add("--body-space", metavar="SPACE", help=argparse.SUPPRESS)
    add("--voice-space", metavar="SPACE", help=argparse.SUPPRESS)
    add("--face-resampler", metavar="FILE", type=Path, help="published, as safetensors: what faces begin from")
    add("--face-length", metavar="L", type=float, help="of the embeddings that one was trained on (1)")
    scenes = parser.add_argument_group("scenes, by default as the model makes them")
    add = scenes.add_argument
    add("--height", metavar="PX", type=int, help="of the picture, a multiple of 32")
    add("--width", metavar="PX", type=int, help="likewise")
    add("--frames", metavar="N", type=int, help="of a scene, one more than a multiple of 8")
    add("--fps", metavar="N", type=float, help="frames a second")
    add("--windows", metavar="N", type=int, help="scenes taken of one clip, at most (4)")
    learning = parser.add_argument_group("learning")
    add = learning.add_argument
    add("--steps", metavar="N", type=int, help="in all (10000)")
    add("--batch", metavar="N", type=int, help="clips a step, over all processes (8)")
    add("--accumulate", metavar="N", type=int, default=1, help="passes in which a process takes its part of them (1)")
    add("--lr", metavar="RATE", type=float, help="highest learning rate (1e-4)")
    add("--warmup", metavar="N", type=int, help="steps until it is reached (200)")
    add("--drop", metavar="SHARE", type=float, help="of examples of which nobody is told: for guidance (0.1)")
    add("--ema", metavar="DECAY", type=float, help="of the averaged weights, which are what comes out (0.999)")
    add("--rank", metavar="R", type=int, help="of a LoRA learned beside the adapter (0: none)")
    add("--token-dim", metavar="N", type=int, help="width of an identity token (512)")
    add("--depth", metavar="N", type=int, help="layers that mix them (2)")
    add("--precision", choices=("bf16", "float32"), default="bf16", help="of arithmetic; what learns is float32")
    add("--seed", metavar="N", type=int, help="of all that is drawn (0)")
    looking = parser.add_argument_group("checkpoints and validation")
    add = looking.add_argument
    add("--every", metavar="N", type=int, default=500, help="steps between them (500)")
    add("--prompt", metavar="TEXT", help="of the validation scenes")
    add("--scene-steps", metavar="N", type=int, default=20, help="of denoising, of a validation scene (20)")
    add("--judge", metavar="FILE", type=Path, help="a MobileFaceNet as ONNX (default: $CAMEO_JUDGE)")
    add("--pictures", action="store_true", help="put validation pictures into TensorBoard: of real people, in plain")
    return parser


if __name__ == "__main__":
    sys.exit(main())
