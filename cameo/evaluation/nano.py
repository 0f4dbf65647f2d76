"""Does a model draw and voice the people it is given? On made-up people never trained on.

    python -m cameo.evaluation.nano --people 12 --out runs/evaluation

Each person is enrolled from one clip and asked for in another place and other clothes. The scene is compared with the
enrolled clip of everybody; so is another true render of the person (the ceiling), and a scene from the same prompt and
noise with no identity given (the floor). Writes ``report.json``, ``table.md``, ``likeness.png`` and ``scenes.png``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from rich.console import Console

from cameo.backbones import Backbone
from cameo.errors import UsageError
from cameo.evaluation import speakers
from cameo.evaluation.command import make_folder, parser_of, refusing
from cameo.evaluation.dialogue import Dialogue, judge_turns
from cameo.evaluation.digits import right_digits
from cameo.evaluation.judges import find_judge
from cameo.evaluation.likeness import Share, copying
from cameo.evaluation.measures import Enrolled, Measures, measure, perceive
from cameo.evaluation.pairs import PairRequest, couples, judge_pairs, render_pair, request_pair
from cameo.evaluation.plots import contact_sheet, matrices
from cameo.evaluation.report import NanoReport, table, table_markdown
from cameo.evaluation.subjects import (
    Request,
    Subject,
    Take,
    enrolled_from,
    recite,
    render_again,
    render_reference,
    request,
)
from cameo.generation import Film, film, open_backbone
from cameo.script import Script
from cameo.sound import mono
from cameo.staging import stage
from cameo.training.shards import HELD_OUT

if TYPE_CHECKING:
    from cameo.conditioning import IdentityAdapter

__all__ = ["Progress", "evaluate"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""

_LIBRARIES = ("torch", "diffusers", "facenet-pytorch", "librosa", "numpy")


def evaluate(
    people: int,
    *,
    model: str = "nano",
    seed: int = 0,
    judge: Path | None = None,
    out: Path,
    progress: Progress | None = None,
) -> NanoReport:
    """Evaluate a model and write what was found.

    Args:
        people: how many, two or more; a share among few people says little.
        model: see ``cameo.backbones.load``.
        seed: of prompts and noise; the people are always the first ``people`` held-out ones.
        judge: a MobileFaceNet as ONNX; see ``find_judge``.
        out: folder for the files; made if missing, older ones are replaced.

    Raises:
        UsageError: fewer than two people.
        InputRefused: ``out`` cannot be made.
        WeightsMissing: the model or the judge is not on this machine.
        AdapterMismatch: the model brings no identity adapter, or one for other embedding spaces.
    """
    if people < 2:
        raise UsageError(f"{people} people were asked for; who is nearest can only be told among two or more")
    tell = progress or (lambda doing, share: None)
    make_folder(out)
    tell("opening the model", 0.0)
    backbone = open_backbone(model)
    # open_backbone refuses a model without an adapter.
    spaces = cast("IdentityAdapter", backbone.adapter).config
    judging = find_judge(judge, conditioning=spaces.face_space)
    subjects, again = [], []
    for number in range(people):
        tell("rendering people", 0.05 + 0.4 * number / people)
        subjects.append(enrolled_from(render_reference(HELD_OUT + number)))
        again.append(render_again(HELD_OUT + number))
    requests = [request(subject, seed) for subject in subjects]
    scenes, nobodies, seconds = [], [], 0.0
    for number, (subject, asked) in enumerate(zip(subjects, requests, strict=True)):
        tell("generating scenes", 0.45 + 0.35 * number / people)
        began = time.perf_counter()
        scenes.append(_take(backbone, subject, asked, identity_scale=1.0))
        seconds += time.perf_counter() - began
        nobodies.append(_take(backbone, subject, asked, identity_scale=0.0))
    recitals, heard, truly = [recite(subject, seed) for subject in subjects], 0, 0
    for number, (subject, recital) in enumerate(zip(subjects, recitals, strict=True)):
        tell("having digits said", 0.8 + 0.1 * number / people)
        made = _film(backbone, [subject], recital.script, recital.seed)
        heard += right_digits(recital.digits, mono(made.sound, made.sample_rate))
        truly += right_digits(recital.digits, recital.sound)
    asked_for = sum(len(recital.digits) for recital in recitals)
    tell("judging", 0.9)
    enrolled = Enrolled(subjects, judging, spaces.voice_space)
    together = couples(subjects)
    wanted = [request_pair(subjects, pair, seed) for pair in together]
    spoken = [_both(backbone, subjects, one, routed=True) for one in wanted]
    mixed = [_both(backbone, subjects, one, routed=False).frames for one in wanted]
    truly_spoken = [_truly_both(subjects[left].seed) for left, _ in together]
    perceived = [[perceive(take, enrolled) for take in takes] for takes in (scenes, again, nobodies)]
    generated, ceiling, floor = (
        measure(takes, enrolled, seen) for takes, seen in zip((scenes, again, nobodies), perceived, strict=True)
    )
    drawn, truly_drawn = ([seen.face for seen in each] for each in perceived[:2])
    report = NanoReport(
        model=backbone.name,
        version=backbone.defaults.version,
        people=people,
        seed=seed,
        steps=backbone.defaults.steps,
        judge=judging.name,
        judge_independent=judging.independent,
        speaker_judge=speakers.NAME,
        voice_encoder=enrolled.voice_space,
        generated=generated,
        ceiling=ceiling,
        floor=floor,
        digits=Share(right=heard, of=asked_for),
        digits_ceiling=Share(right=truly, of=asked_for),
        pairs=judge_pairs([scene.frames for scene in spoken], together, enrolled),
        pairs_unrouted=judge_pairs(mixed, together, enrolled),
        pairs_ceiling=judge_pairs([scene.frames for scene in truly_spoken], together, enrolled),
        turns=judge_turns(spoken, together, enrolled),
        turns_ceiling=judge_turns(truly_spoken, together, enrolled),
        likeness_ratio=_ratio(generated, ceiling),
        likeness_gain=_gain(generated, ceiling),
        copying=copying(drawn, truly_drawn, enrolled.faces),
        seconds_per_scene=seconds / people,
        prompts=tuple(asked.prompt for asked in requests),
        versions={name: version(name) for name in _LIBRARIES},
    )
    tell("writing", 0.97)
    (out / "report.json").write_text(report.model_dump_json(indent=1) + "\n")
    (out / "table.md").write_text(table_markdown(report))
    matrices(out / "likeness.png", report)
    contact_sheet(out / "scenes.png", subjects, scenes, report.prompts)
    tell("done", 1.0)
    return report


def _take(backbone: Backbone, subject: Subject, asked: Request, *, identity_scale: float) -> Take:
    made = _film(backbone, [subject], asked.script, asked.seed, identity_scale=identity_scale)
    return Take(made.frames, mono(made.sound, made.sample_rate), asked.setting, asked.clothes, made.fps)


def _film(
    backbone: Backbone,
    subjects: Sequence[Subject],
    script: Script,
    seed: int,
    *,
    identity_scale: float = 1.0,
    routed: bool = True,
) -> Film:
    return film(
        backbone,
        script,
        [subject.identity for subject in subjects],
        seed=seed,
        seconds=None,
        identity_scale=identity_scale,
        on_step=lambda done, steps: None,
        routed=routed,
    )


def _both(backbone: Backbone, subjects: Sequence[Subject], asked: PairRequest, *, routed: bool) -> Dialogue:
    made = _film(backbone, [subjects[asked.left], subjects[asked.right]], asked.script, asked.seed, routed=routed)
    staged = stage(asked.script, len(made.frames) / made.fps) or ()
    left, right = (span for presence in staged for span in presence.speaks or ())
    return Dialogue(made.frames, mono(made.sound, made.sample_rate), made.fps, (left, right))


def _truly_both(left: int) -> Dialogue:
    made = render_pair(left)
    first, second = (tuple(member["speaks"]) for member in made.truth["cast"])
    return Dialogue(made.frames, made.sound.astype(np.float32), made.fps, (first, second))


def _ratio(generated: Measures, ceiling: Measures) -> float | None:
    own, best = generated.face.mean, ceiling.face.mean
    return own / best if own is not None and best else None


def _gain(generated: Measures, ceiling: Measures) -> float | None:
    """A scene without a face is as like as a stranger's: it neither gains nor loses."""
    best, stranger = ceiling.face.mean, ceiling.face.strangers
    if best is None or stranger is None or best <= stranger:
        return None
    gains = [0.0 if take.likeness is None else take.likeness - stranger for take in generated.takes]
    return sum(gains) / len(gains) / (best - stranger)


def main() -> None:
    parser = parser_of("nano", __doc__)
    parser.set_defaults(out=Path("runs/evaluation"))
    parser.add_argument("--people", type=int, default=12, help="how many held-out people, two or more")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    console, complaints = Console(), Console(stderr=True, highlight=False)
    with refusing(complaints):
        report = evaluate(
            options.people,
            model=options.model,
            seed=options.seed,
            judge=options.judge,
            out=options.out,
            progress=lambda doing, share: complaints.print(f"[dim]{100 * share:3.0f} %[/dim] {doing}"),
        )
    console.print(table(report))
    for note in report.notes:
        console.print(note, highlight=False)
    console.print(f"Written to {options.out}: report.json, table.md, likeness.png, scenes.png", highlight=False)


if __name__ == "__main__":
    main()
