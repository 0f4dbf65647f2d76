"""``cameo generate`` and ``cameo check``: scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cameo.cli.equipment import (
    Adapter,
    FirstFrame,
    Loras,
    Preroll,
    Sheets,
    VoiceReference,
    equipment_of,
    references_of,
)
from cameo.cli.options import Command, Handle, Out, User
from cameo.cli.presences import Regions, Speaks, presences_of
from cameo.cli.terminal import Answer, plain, progress_bar
from cameo.errors import UsageError
from cameo.studio import Studio
from enroll.receipt import Receipt

__all__ = ["register"]


_UNDER = {
    True: "It was made under the consent of this receipt.",
    False: "Nothing says that it was made under the consent of this receipt.",
}


def register(root: typer.Typer) -> None:
    for command in (generate, check, personalize):
        root.command(cls=Command)(command)


def generate(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help='Such as: @ada says "hello" by the sea')],
    out: Out,
    user: User = "owner",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same scene.")] = 0,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, max=20, help="Length. The model's default if left out.")
    ] = None,
    model: Annotated[str, typer.Option("--model", help="nano, a checkpoint folder, or a hub id.")] = "nano",
    identity_scale: Annotated[
        float, typer.Option("--identity-scale", min=0, max=4, help="Strength of the likeness.")
    ] = 1.0,
    region: Regions = None,
    speaks: Speaks = None,
    adapter: Adapter = None,
    lora: Loras = None,
    voice_reference: VoiceReference = None,
    sheets: Sheets = None,
    first_frame: FirstFrame = None,
    preroll: Preroll = 0.0,
) -> Answer:
    """Make a scene with the people the prompt names."""
    with progress_bar("generate") as progress:
        made = Studio().generate(
            prompt,
            out=out,
            user=user,
            seed=seed,
            seconds=seconds,
            model=model,
            identity_scale=identity_scale,
            presences=presences_of(region, speaks),
            equipment=equipment_of(adapter, lora),
            references=references_of(voice_reference, sheets, first_frame, preroll),
            progress=progress,
        )
    shown = [
        f"{plain(made.path)}: {', '.join(f'@{handle}' for handle in made.cast)}, {made.seconds:.1f} s, "
        f"{made.width}×{made.height}, {sum(made.timings.values()):.1f} s to make"
    ]
    if made.unknown_words:
        shown.append(f"{plain(made.model)} does not know: {', '.join(made.unknown_words)}")
    for handle in made.unused_loras:
        shown.append(f"@{handle}'s own LoRA is for another model or version: cameo personalize {handle} learns anew")
    return Answer(made.as_json(), tuple(shown))


def personalize(
    handle: Handle,
    user: User = "owner",
    model: Annotated[str, typer.Option("--model", help="nano, a checkpoint folder, or a hub id.")] = "nano",
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.1, max=120, help="How long to learn: 3 if left out, 20 from a clip."),
    ] = None,
    rank: Annotated[int, typer.Option("--rank", min=1, max=128, help="Of the LoRA: how much it can hold.")] = 16,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same examples.")] = 0,
    clip: Annotated[
        Path | None,
        typer.Option("--clip", metavar="FILE", help="Learn from this clip of theirs: for models of any size."),
    ] = None,
    caption: Annotated[
        str | None,
        typer.Option(
            "--caption", metavar="TEXT", help="What the clip shows, as a prompt would say: a person, if left out."
        ),
    ] = None,
    trust_voice: Annotated[
        bool,
        typer.Option("--trust-voice", help="The one voice of the clip is theirs, though the mouth does not show it."),
    ] = False,
    adapter: Adapter = None,
) -> Answer:
    """Learn one person's own LoRA from their enrollment or a clip; their scenes use it, and it is revoked with them."""
    sitting = None
    if clip is not None:
        from cameo.training.personal_clip import CAPTION, Sitting

        sitting = Sitting(clip, caption or CAPTION, trust_voice)
    elif caption is not None or trust_voice:
        raise UsageError("--caption and --trust-voice are of a clip, and none is named", hint="give one: --clip FILE")
    with progress_bar("personalize") as progress:
        made = Studio().personalize(
            handle,
            user=user,
            model=model,
            minutes=minutes,
            rank=rank,
            seed=seed,
            sitting=sitting,
            adapter=adapter,
            progress=progress,
        )
    return Answer(
        made.as_json(),
        (f"@{made.handle}: a LoRA of rank {made.rank} for {plain(made.model)}, {made.bytes / 1e6:.1f} MB, sealed",),
    )


def check(
    scene: Annotated[Path, typer.Argument(metavar="SCENE", help="A video file.")],
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", metavar="FILE", help="Yours: was this scene made under that very consent?"),
    ] = None,
) -> Answer:
    """Whose likeness is in a scene, under which consent, and is that consent in force now."""
    found = Studio().check(scene, receipt=None if receipt is None else Receipt.load(receipt))
    how = {
        "record": "This file was made here.",
        "manifest": "Its manifest is whole and its signer trusted here, but this very file is not recorded.",
        "watermark": "It carries the watermark of a scene that was made here; its other marks are gone or changed.",
        "likeness": "It looks or sounds like a scene that was made here; its own marks are gone or changed.",
        "claim": "Its manifest was changed or is not from here; take what it says as a claim.",
        None: "Nothing is known of it.",
    }[found.found_by]
    signer = f", signed by {plain(found.manifest.signer)}" if found.manifest.signer else ""
    return Answer(
        found.as_json(),
        (
            how,
            *(f"  {f'@{r.handle}' if r.handle else 'someone'}: {r.status}, consent {r.consent_id}" for r in found.cast),
            f"C2PA manifest: {found.manifest.state}{signer}",
            *(() if found.under_receipt is None else (_UNDER[found.under_receipt],)),
        ),
    )
