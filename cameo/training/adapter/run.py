"""One run from the clips to the adapter: admitted, prepared, learned, published. The whole way in one screen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from numpy.typing import NDArray

from cameo.conditioning import IdentityAdapter
from cameo.errors import InputRefused, PermissionDenied
from cameo.evaluation.judges import find_judge
from cameo.pipeline import CameoLTX2Pipeline
from cameo.training.adapter.board import Board
from cameo.training.adapter.clips import Found, find_clips
from cameo.training.adapter.consents import Admitted, admit, is_held_out
from cameo.training.adapter.examples import Clip, Examples
from cameo.training.adapter.faces import of_one_face
from cameo.training.adapter.generator import Generator, let_go, new_adapter
from cameo.training.adapter.learn import Training
from cameo.training.adapter.learner import Learner
from cameo.training.adapter.likeness import Validation, encode_prompt, held_out
from cameo.training.adapter.prepare import Preparer, entry_name, prepare
from cameo.training.adapter.publish import Told, check_out, digest_of, publish
from cameo.training.adapter.sealed import Entries, destroy, run_key
from cameo.training.adapter.settings import Settings, settle
from cameo.vault import Vault

__all__ = ["Asked", "train"]


@dataclass(frozen=True)
class Asked:
    """What decides how a run goes, and not what comes of it.

    Attributes:
        data: folder of clips and shards, or one shard.
        out: folder that the adapter becomes.
        run: folder of the run itself: key, sealed entries, checkpoints, figures.
        home: whose vault knows who left, and seals the run's key.
        trust: thumbprints of those whose signature on a consent counts, beside the home's operator.
        every: steps between checkpoints, each with a look at consents and likeness.
        resampler: the file that ``settings.face_resampler`` is the digest of; None for none.
        denoising: steps of a validation scene.
        judge: a MobileFaceNet as ONNX; see ``find_judge``.
        pictures: whether validation pictures go to TensorBoard.
    """

    data: Path
    out: Path
    run: Path
    home: Path
    trust: frozenset[str] = frozenset()
    resampler: Path | None = None
    every: int = 500
    denoising: int = 20
    judge: Path | None = None
    pictures: bool = False


def train(
    asked: Asked,
    generator: Generator,
    settings: Settings,
    accelerator: Accelerator,
    say: Callable[[str], None],
) -> None:
    """Train an adapter and write it to ``asked.out``.

    Args:
        asked: see ``Asked``.
        generator: what it is for.
        settings: of the run.
        accelerator: of this process; its precision is ``no``, for ours is ``settings.precision``.
        say: told one line at a time; in processes other than the main one, of their own clips alone.

    Raises:
        UsageError, InputRefused: ``out`` or ``run`` is something else, or nobody is left to learn from.
        BadInput, WeightsMissing: of the generator, an encoder, or the judge.
        PermissionDenied: a consent ended meanwhile; the last checkpoint stands, and the same command goes on without.
    """
    check_out(asked.out)
    aloud = say if accelerator.is_main_process else _silent
    with accelerator.main_process_first():
        vault = Vault(asked.home)
    found, lines = find_clips(asked.data)
    admitted, refused = _admit(found, asked, vault, _one_time(accelerator))
    for line in (*lines, *refused):
        aloud(line)
    if not admitted:
        raise InputRefused(
            "nobody is left to learn from", hint="each clip needs a consent with --use train, signed and in force"
        )
    judge = find_judge(asked.judge, conditioning=settings.face_space) if _anybody(admitted, settings) else None
    names = {entry_name(clip, settings): clip for clip in admitted}
    with accelerator.main_process_first():
        asked.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        if accelerator.is_main_process:
            settle(settings, asked.run)
        entries = Entries(asked.run, run_key(vault, asked.run))
        if accelerator.is_main_process:
            entries.keep_only(names)

    shape = generator.shape()
    pipeline = generator.encoders(accelerator.device)
    adapter = new_adapter(settings, shape, pipeline, asked.resampler)
    preparer = Preparer(pipeline, adapter.config, settings, _trusted(asked, vault), judge)
    mine = admitted[accelerator.process_index :: accelerator.num_processes]
    prepare(mine, entries, preparer, say)
    accelerator.wait_for_everyone()
    kept = {name: clip for name, clip in names.items() if name in entries}
    learned_from, judged_by = _parted(kept, entries, settings, aloud)
    prompt = encode_prompt(pipeline, settings.prompt)
    let_go(pipeline)

    training = _training(accelerator, generator, adapter, pipeline, settings, asked)
    validation = None
    if judge is not None and (people := held_out(judged_by)):
        guided = generator.defaults().guidance_scale
        validation = Validation(pipeline, prompt, people, judge, settings, asked.denoising, guided)
    ids = frozenset(digest_of(clip.consent_id) for clip in learned_from)
    training.progress.consents |= ids
    likeness = _loop(
        training,
        Examples(learned_from, seed=settings.seed, drop=settings.drop),
        settings,
        asked,
        accelerator,
        validation,
        aloud,
        lambda: _still(kept, asked, vault, accelerator),
    )
    learned = training.learned()
    if accelerator.is_main_process:
        told = Told(
            people=len({clip.person for clip in learned_from}),
            clips=len(learned_from),
            held_out=len({clip.person for clip in judged_by}),
            consents=training.progress.consents,
            likeness=likeness,
            judge=judge.name if judge is not None else "",
        )
        publish(asked.out, adapter, learned, settings, told)
        aloud(f"written to {asked.out}")
        destroy(asked.run)
    accelerator.wait_for_everyone()


def _loop(
    training: Training,
    examples: Examples,
    settings: Settings,
    asked: Asked,
    accelerator: Accelerator,
    validation: Validation | None,
    say: Callable[[str], None],
    ask_consents: Callable[[], None],
) -> float | None:
    """Every step, with checkpoints on the way; the last likeness."""
    step = training.progress.step
    board = Board(asked.run, step, say) if accelerator.is_main_process else None
    say(f"step {step} of {settings.steps}" + (", resumed" if step else ""))
    likeness = None
    try:
        for losses in training.steps(examples):
            step = training.progress.step
            if board is not None:
                board.figures(step, picture=losses.picture, sound=losses.sound, rate=settings.rate(step - 1))
            if step % asked.every and step != settings.steps:
                continue
            training.save()
            say(f"step {step}: picture {losses.picture:.4f}, sound {losses.sound:.4f}")
            ask_consents()
            if validation is not None:
                found, pictures = validation.measure(training, accelerator)
                likeness = found.mean
                if board is not None:
                    board.figures(step, likeness=found.mean or 0.0, strangers=found.strangers or 0.0)
                    if asked.pictures:
                        board.pictures(step, pictures)
                say(f"step {step}: likeness {found.mean or 0.0:.3f}, nearest to themselves {found.rank1}")
    finally:
        if board is not None:
            board.close()
    return likeness


def _training(
    accelerator: Accelerator,
    generator: Generator,
    adapter: IdentityAdapter,
    pipeline: CameoLTX2Pipeline,
    settings: Settings,
    asked: Asked,
) -> Training:
    transformer = generator.transformer()
    transformer.enable_gradient_checkpointing()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)  # a LoRA begins at random
        learner = Learner(transformer, adapter, pipeline.scheduler, settings.fps, settings.rank)
    training = Training(accelerator, learner, settings, asked.run)
    pipeline.register_modules(transformer=training.learner.transformer)
    return training


def _parted(
    kept: dict[str, Admitted], entries: Entries, settings: Settings, say: Callable[[str], None]
) -> tuple[list[Clip], list[Clip]]:
    """Clips to learn from, and those of people who are held out."""
    kept = _of_one_face(kept, entries, say)
    clips = [
        Clip(one.person, one.consent.consent_id, partial(entries.get, name, one.consent.consent_id))
        for name, one in sorted(kept.items())
    ]
    of = {person: [clip for clip in clips if clip.person == person] for person in {clip.person for clip in clips}}
    learned_from: list[Clip] = []
    judged_by: list[Clip] = []
    handles = {one.person: one.consent.handle for one in kept.values()}
    for person, theirs in sorted(of.items()):
        if is_held_out(person, settings.held_out):
            judged_by += theirs
        elif len(theirs) < 2:
            say(f"@{handles[person]} has one clip only: to draw it from itself would teach copying; left out")
        else:
            learned_from += theirs
    if not learned_from:
        raise InputRefused(
            "nobody is left to learn from: of each person two clips are needed, and some people may be held out",
            hint="add clips of the same people; --held-out 0 holds nobody out",
        )
    if not any(bool(clip.entry()["heard"]) for clip in learned_from):
        say("nobody is heard in these clips: voices will not be learned")
    say(f"{len({clip.person for clip in learned_from})} people, {len(learned_from)} clips")
    return learned_from, judged_by


def _of_one_face(kept: dict[str, Admitted], entries: Entries, say: Callable[[str], None]) -> dict[str, Admitted]:
    """Without the clips that show somebody else than the other clips of that person, each told."""
    of: dict[str, dict[str, NDArray[np.float32]]] = defaultdict(dict)
    for name, one in kept.items():
        of[one.person][name] = entries.get(name, one.consent.consent_id)["face"].numpy()
    agreeing = {name for faces in of.values() for name in of_one_face(faces)}
    for name, one in sorted(kept.items(), key=lambda item: item[1].found.name):
        if name not in agreeing:
            say(f"{one.found.name}: not the face of most clips of @{one.consent.handle}; left out")
    return {name: one for name, one in kept.items() if name in agreeing}


def _admit(found: Sequence[Found], asked: Asked, vault: Vault, now: datetime) -> tuple[list[Admitted], list[str]]:
    def standing(consent_id: str) -> str:
        return vault.scene_cast([consent_id])[0].status

    return admit(found, trusted=_trusted(asked, vault), standing=standing, now=now)


def _still(kept: dict[str, Admitted], asked: Asked, vault: Vault, accelerator: Accelerator) -> None:
    """Every consent is asked again."""
    _, ended = _admit([clip.found for clip in kept.values()], asked, vault, _one_time(accelerator))
    if ended:
        raise PermissionDenied(ended[0], hint="say the same again: the run goes on without them")


def _trusted(asked: Asked, vault: Vault) -> frozenset[str]:
    return vault.trusted | asked.trust


def _one_time(accelerator: Accelerator) -> datetime:
    """The same moment in every process: a consent must not end between two of them."""
    seconds = torch.tensor(int(datetime.now(UTC).timestamp()), device=accelerator.device)
    return datetime.fromtimestamp(int(broadcast(seconds)), UTC)


def _anybody(admitted: Sequence[Admitted], settings: Settings) -> bool:
    return any(is_held_out(clip.person, settings.held_out) for clip in admitted)


def _silent(line: str) -> None:
    """Another process says it."""
