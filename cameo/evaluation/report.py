"""What an evaluation found: as JSON, as a table for a terminal, as a table for a model card."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict
from rich.table import Table

from cameo.evaluation.dialogue import Turns
from cameo.evaluation.likeness import Share
from cameo.evaluation.measures import Measures
from cameo.evaluation.pairs import Pairs
from enroll.digits import recogniser

__all__ = ["NanoReport", "cell", "table", "table_markdown"]

_CONDITIONS = ("generated", "rendered again", "no identity given")


class NanoReport(BaseModel):
    """An evaluation.

    Attributes:
        model: as asked for. ``version`` is what its ``cameo.json`` says, or empty.
        people: how many; none of them was trained on.
        seed: of prompts and noise.
        steps: of denoising.
        judge: the face encoder that judged.
        judge_independent: False when the generator was conditioned on that very encoder: then its figures flatter.
        speaker_judge: the speaker encoder that judged.
        voice_encoder: the one that the generator was conditioned on.
        generated: the scenes, by the model.
        ceiling: the same people rendered a second time: what a perfect generator would score.
        floor: the same prompts and noise with no identity given: what chance would score.
        digits: of two each person is asked to say, those a recogniser hears, each in its place; by chance one in ten.
        digits_ceiling: likewise of the renderer's own speech, with no other sound around it.
        pairs: scenes with two people, each kept to their side. ``pairs_unrouted``: the same, everybody's tokens seen
            everywhere. ``pairs_ceiling``: the same two as the renderer draws them beside each other.
        turns: of the scenes in ``pairs``, whose mouth and whose voice each line has; ``turns_ceiling`` likewise.
        likeness_ratio: mean likeness of ``generated`` to that of ``ceiling``; None where there is none to compare.
        likeness_gain: the same above what strangers have among the ceiling's takes: 0 is like anybody, 1 like a second
            render; a scene without a face counts as 0. To be read where made-up people look alike to the judge.
        copying: whether faces are nearer to the enrolled clip than to another render of the person, 1 to -1; see
            ``likeness.copying``. None where no face was seen.
        seconds_per_scene: mean time a scene took, model loaded.
        prompts: one for each person.
        versions: of the libraries that decide about the figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    version: str
    people: int
    seed: int
    steps: int
    judge: str
    judge_independent: bool
    speaker_judge: str
    voice_encoder: str
    generated: Measures
    ceiling: Measures
    floor: Measures
    digits: Share
    digits_ceiling: Share
    pairs: Pairs
    pairs_unrouted: Pairs
    pairs_ceiling: Pairs
    turns: Turns
    turns_ceiling: Turns
    likeness_ratio: float | None
    likeness_gain: float | None
    copying: float | None
    seconds_per_scene: float
    prompts: tuple[str, ...]
    versions: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known to read the figures, a sentence each."""
        judged = f"Faces are judged by {self.judge}, which had no part in the conditioning."
        if not self.judge_independent:
            judged = (
                f"No independent face encoder was at hand: faces are judged by {self.judge}, "
                "on which the model was conditioned, so these figures flatter."
            )
        return (
            judged,
            f"Digits are heard by {recogniser()} under a grammar of as many digits as are said.",
            f"Speakers are judged by {self.speaker_judge}, which had no part in the conditioning, voices compared by "
            f"{self.voice_encoder}, which had; pitch is measured directly.",
            "A scene without a face, or without enough speech, counts as a miss and as likeness 0.",
            "Whose line it is is told between the two in the scene: by chance one in two is right.",
        )


def table(report: NanoReport) -> Table:
    """For a terminal."""
    drawn = Table("", *_CONDITIONS, title=_title(report), title_justify="left", box=None, pad_edge=False)
    for row in _rows(report):
        drawn.add_row(*row)
    return drawn


def table_markdown(report: NanoReport) -> str:
    """For a model card: title, table, notes; ends with a newline."""
    lines = [_title(report), "", f"| | {' | '.join(_CONDITIONS)} |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in _rows(report)]
    return "\n".join([*lines, "", *(f"- {note}" for note in report.notes)]) + "\n"


def _title(report: NanoReport) -> str:
    version = f" {report.version}" if report.version else ""
    return (
        f"{report.model}{version}: {report.people} made-up people never trained on, seed {report.seed}, "
        f"{report.steps} steps, {report.seconds_per_scene:.1f} s a scene"
    )


def _rows(report: NanoReport) -> Iterator[tuple[str, str, str, str]]:
    conditions = (report.generated, report.ceiling, report.floor)

    def row(name: str, *cells: object) -> tuple[str, str, str, str]:
        one, two, three = (cell(value) for value in cells)
        return name, one, two, three

    yield row("a face is found (MTCNN)", *(m.face_found for m in conditions))
    yield row("the right person is nearest, by face", *(m.face.rank1 for m in conditions))
    yield row("mean likeness to the enrolled clip", *(m.face.mean for m in conditions))
    yield row("mean likeness to the other people", *(m.face.strangers for m in conditions))
    yield row("likeness ÷ that of rendered again", report.likeness_ratio, 1.0, "")
    yield row("the same, above that of strangers", report.likeness_gain, 1.0, "")
    yield row("copied from the enrolled clip, 1 to -1", report.copying, "", "")
    yield row("speech is found (Silero VAD)", *(m.speech_found for m in conditions))
    yield row("pitch error, median", *(_semitones(m.pitch_error) for m in conditions))
    yield row("pitch was measurable", *(m.pitch_heard for m in conditions))
    yield row("the right speaker is nearest", *(m.speaker.rank1 for m in conditions))
    yield row("mean likeness to the enrolled speaker", *(m.speaker.mean for m in conditions))
    yield row("mean likeness to the other speakers", *(m.speaker.strangers for m in conditions))
    yield row("the right speaker is nearest (conditioning encoder)", *(m.voice.rank1 for m in conditions))
    yield row("mean voice likeness (conditioning encoder)", *(m.voice.mean for m in conditions))
    yield row("mean voice likeness to the other people", *(m.voice.strangers for m in conditions))
    yield row("the mouth opens with the voice, ±1 frame", *(m.in_sync for m in conditions))
    yield row("digits a recogniser hears right", report.digits, report.digits_ceiling, "")
    yield row("two people: a face on each side", report.pairs.faces, report.pairs_ceiling.faces, "")
    yield row("two people: each on their side", report.pairs.right, report.pairs_ceiling.right, "")
    yield row("two people: taken for the other", report.pairs.swapped, report.pairs_ceiling.swapped, "")
    yield row("the same, not kept to their sides", report.pairs_unrouted.swapped, "", "")
    yield row("two people: the speaker's mouth opens", report.turns.mouths, report.turns_ceiling.mouths, "")
    yield row("two people: the speaker's voice is heard", report.turns.voices, report.turns_ceiling.voices, "")
    yield row("setting as asked", *(m.setting for m in conditions))
    yield row("clothes colour as asked", *(m.clothes for m in conditions))


def _semitones(error: float | None) -> str | None:
    return None if error is None else f"{error:.1f} semitones"


def cell(value: object) -> str:
    """How a table says a value; what was not to be measured is a dash."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
