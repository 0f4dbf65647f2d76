"""What each way of telling a model who somebody is brings: by itself, and together with the others.

    python -m cameo.evaluation.ablation --people 6 --minutes 3
    python -m cameo.evaluation.ablation --clip ada.mp4 --clip bo.mp4

The same prompts and noise for everybody, in every way: nobody; the embeddings of recognisers; crops and speech as
latents; both, which is what an adapter is given; a LoRA of their own; the enrolled picture as the first frame and the
enrolled speech ahead of the scene; combinations; and the tokens with faces restored after the decoder, where the model
brings a restorer, which is what a scene is made with. Of made-up people never trained on, or of real ones from clips,
whose pictures are written only where ``--pictures`` says. Writes ``ablation.json`` and ``ablation.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from cameo.backbones import Backbone
from cameo.conditioning import IdentityAdapter
from cameo.errors import UsageError
from cameo.evaluation.command import make_folder, parser_of, refusing
from cameo.evaluation.judges import find_judge
from cameo.evaluation.measures import Enrolled, Measures, measure
from cameo.evaluation.plots import stills
from cameo.evaluation.report import cell
from cameo.evaluation.subjects import Request, Subject, Take, enrolled_from, render_reference, request
from cameo.generation import film, open_backbone
from cameo.references import References
from cameo.sound import mono
from cameo.training.personal import personalize
from cameo.training.shards import HELD_OUT
from enroll.consent import ConsentRecord
from enroll.identity import Identity
from enroll.pipeline import enroll

__all__ = ["WAYS", "Ablation", "Way", "ablate", "enrolled_clip", "markdown", "only"]


@dataclass(frozen=True)
class Way:
    """One way of telling who somebody is.

    Attributes:
        name: for the table.
        embeddings: what recognisers say, as tokens. ``dense`` likewise crops and speech.
        lora: learned of them.
        reference: their body or head as the first frame, their speech at negative time.
        restored: faces are, after the decoder, where the model brings a restorer.
    """

    name: str
    embeddings: bool = False
    dense: bool = False
    lora: bool = False
    reference: bool = False
    restored: bool = False


WAYS = (
    Way("nobody"),
    Way("embeddings", embeddings=True),
    Way("crops and speech", dense=True),
    Way("both: the tokens", embeddings=True, dense=True),
    Way("LoRA", lora=True),
    Way("reference", reference=True),
    Way("tokens, LoRA", embeddings=True, dense=True, lora=True),
    Way("tokens, reference", embeddings=True, dense=True, reference=True),
    Way("tokens, LoRA, reference", embeddings=True, dense=True, lora=True, reference=True),
    Way("tokens, faces restored", embeddings=True, dense=True, restored=True),
)


class Ablation(BaseModel):
    """What was found.

    Attributes:
        model: as asked for. ``version`` is what its ``cameo.json`` says, or empty.
        people: how many; ``real`` if they exist.
        seed: of prompts and noise.
        minutes: each LoRA was learned in.
        judge: of faces; ``judge_independent`` is False where the model was conditioned on it.
        voice_encoder: the model was conditioned on it.
        ways: by name, in the order of ``WAYS``; the N×N matrices of faces and voices are in them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    version: str
    people: int
    real: bool
    seed: int
    minutes: float
    judge: str
    judge_independent: bool
    voice_encoder: str
    ways: dict[str, Measures]


def ablate(
    subjects: Sequence[Subject],
    backbone: Backbone,
    learner: Backbone,
    *,
    real: bool,
    minutes: float = 3.0,
    seed: int = 0,
    judge: Path | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> tuple[Ablation, dict[str, list[Take]]]:
    """Make everybody's scene in every way, and measure it.

    Args:
        subjects: two or more.
        backbone: from ``open_backbone``, in context.
        learner: the same generator, from ``open_backbone(…, distilled=False)``; each one's LoRA is learned on it.
        real: do they exist.
        minutes: for each one's LoRA.
        seed: of prompts and noise.
        judge: a MobileFaceNet as ONNX; see ``find_judge``.
        progress: told what is being done.

    Returns:
        What was found, and the takes by the name of the way. Biometric where the people are real.

    Raises:
        UsageError: fewer than two people.
        AdapterMismatch: the generator cannot be personalized, or reads other embedding spaces.
        WeightsMissing: the judge is not on this machine.
    """
    if len(subjects) < 2:
        raise UsageError("who is nearest can only be told among two or more people")
    # open_backbone refuses a model without an adapter.
    spaces = cast("IdentityAdapter", backbone.adapter).config
    enrolled = Enrolled(subjects, find_judge(judge, conditioning=spaces.face_space), spaces.voice_space)
    takes: dict[str, list[Take]] = {way.name: [] for way in WAYS}
    for number, subject in enumerate(subjects):
        progress(f"learning person {number + 1} of {len(subjects)}")
        lora = personalize(learner, subject.identity, minutes=minutes, seed=seed)
        asked = request(subject, seed)
        for way in WAYS:
            progress(f"person {number + 1} of {len(subjects)}: {way.name}")
            takes[way.name].append(_take(backbone, subject, asked, way, lora))
    progress("judging")
    found = Ablation(
        model=backbone.name,
        version=backbone.defaults.version,
        people=len(subjects),
        real=real,
        seed=seed,
        minutes=minutes,
        judge=enrolled.judge.name,
        judge_independent=enrolled.judge.independent,
        voice_encoder=enrolled.voice_space,
        ways={name: measure(made, enrolled) for name, made in takes.items()},
    )
    return found, takes


def only(identity: Identity, *, embeddings: bool, dense: bool) -> Identity:
    """What stays of a person when embeddings, or crops and speech, are not told."""
    if not embeddings:
        identity = replace(identity, embeddings={})
    return identity if dense else replace(identity, crops=(), speech=None)


def enrolled_clip(clip: Path, number: int) -> Subject:
    """Somebody real, enrolled in memory under a consent for this alone; to be judged by the crops that were kept.

    Raises:
        EnrollError: the clip cannot be enrolled from.
    """
    consent = ConsentRecord.new(name="Evaluation", handle=f"p{number}", uses=("evaluate",))
    identity = enroll(
        clip, consent.attest(by="evaluation", key=OKPKey.generate_key("Ed25519")), subject=None, trust_voice=True
    )
    sound = np.zeros(0, np.float32) if identity.speech is None else identity.speech.samples
    heads = np.stack([crop.pixels for crop in identity.crops_of("head")])
    return Subject(number, identity, heads, sound, setting="", clothes="")


def markdown(found: Ablation) -> str:
    """As a table, a way a line; ends with a newline."""
    kind = "people from clips" if found.real else "made-up people never trained on"
    faces = ["a face is found", "likeness", "to others", "nearest"]
    columns = [*faces, "speech is found", "voice", "to others", "nearest", "place"]
    lines = [
        f"{found.model} {found.version}: {found.people} {kind}, seed {found.seed}; LoRAs of {found.minutes:g} minutes; "
        f"faces by {found.judge}{'' if found.judge_independent else ' (conditioning encoder)'}, "
        f"voices by {found.voice_encoder} (conditioning encoder)",
        "",
        f"| told by | {' | '.join(columns)} |",
        f"|---|{'--:|' * len(columns)}",
    ]
    for name, one in found.ways.items():
        seen = f"{cell(one.face.mean)} | {cell(one.face.strangers)} | {one.face.rank1.right}"
        heard = f"{cell(one.voice.mean)} | {cell(one.voice.strangers)} | {one.voice.rank1.right}"
        lines.append(
            f"| {name} | {one.face_found.right} | {seen} | {one.speech_found.right} | {heard} | {one.setting.right} |"
        )
    return "\n".join(lines) + "\n"


def _take(backbone: Backbone, subject: Subject, asked: Request, way: Way, lora: bytes) -> Take:
    identity, told = subject.identity, way.embeddings or way.dense
    # References are read from the whole identity; without tokens nothing else is, for scale 0 is the base to the bit.
    known = identity if way.reference else only(identity, embeddings=way.embeddings, dense=way.dense)
    voice = None if identity.speech is None else identity.handle
    made = film(
        replace(backbone, restorer=backbone.restorer if way.restored else None),
        asked.script,
        [known],
        seed=asked.seed,
        seconds=None,
        identity_scale=1.0 if told else 0.0,
        on_step=lambda done, steps: None,
        lora=lora if way.lora else None,
        references=References(voice=voice, first_frame=1.0) if way.reference else References(),
    )
    return Take(made.frames, mono(made.sound, made.sample_rate), asked.setting, asked.clothes, made.fps)


def main() -> None:
    parser = parser_of("ablation", __doc__)
    parser.add_argument("--people", type=int, default=6, help="how many held-out made-up people, two or more")
    parser.add_argument("--clip", type=Path, action="append", help="somebody real instead; repeatable")
    parser.add_argument("--minutes", type=float, default=3.0, help="for each one's LoRA")
    parser.add_argument("--pictures", type=Path, help="a picture of everybody in every way, as PNG")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    complaints = Console(stderr=True, highlight=False)
    with refusing(complaints):
        make_folder(options.out)
        backbone = open_backbone(options.model, in_context=True)
        learner = open_backbone(options.model, distilled=False)
        complaints.print("[dim]enrolling[/dim]")
        if options.clip:
            subjects = [enrolled_clip(clip, number) for number, clip in enumerate(options.clip)]
        else:
            subjects = [enrolled_from(render_reference(HELD_OUT + number)) for number in range(options.people)]
        found, takes = ablate(
            subjects,
            backbone,
            learner,
            real=bool(options.clip),
            minutes=options.minutes,
            seed=options.seed,
            judge=options.judge,
            progress=lambda doing: complaints.print(f"[dim]{doing}[/dim]"),
        )
    (options.out / "ablation.json").write_text(found.model_dump_json(indent=1) + "\n")
    (options.out / "ablation.md").write_text(markdown(found))
    if options.pictures:
        rows = zip(*takes.values(), strict=True)
        stills(options.pictures, [subject.identity for subject in subjects], list(rows), list(takes))
    print(markdown(found), end="")


if __name__ == "__main__":
    main()
