"""Do made-up people hold for strangers to them? For a face detector, a face and a speaker encoder that never saw one.

    python -m cameo.evaluation.made_up --people 200

Everybody is drawn on two occasions, close up, in other clothes, light and places, and speaks twice, seven words each.
MTCNN looks for the face in every frontal view in which it is 40 px high or more; dlib's ResNet compares the occasions,
GE2E the voices. Writes ``report.json`` and ``table.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from cameo.errors import UsageError
from cameo.evaluation.command import bare_parser_of, make_folder, refusing
from cameo.evaluation.faces import faces_in
from cameo.evaluation.likeness import Share
from cameo.evaluation.verification import Verification, markdown_rows, verify
from cameo.evaluation.voice import voice_vector
from cameo.synth.clips import SAMPLE_RATE, WORDS, make_clip
from cameo.synth.voices import Voice, speak
from cameo.training.identities import face_box
from cameo.training.people import SECONDS, SIZE
from cameo.training.shards import HELD_OUT
from enroll.encoders import registry
from enroll.identity import Pose
from enroll.looks import Look, cut_look

__all__ = ["MadeUp", "evaluate", "table_markdown"]

FACE_SPACE, VOICE_SPACE = "dlib-resnet-128", "ge2e-256"
_OCCASIONS = (0, 1)
_FPS = 2.0
_FRONTAL = 15.0
"""Degrees of yaw and of pitch."""
_HIGH = 40.0
"""Pixels from brow to chin, as MTCNN draws a box."""
_SAID = 7
"""Words of an utterance, some three seconds."""

Progress = Callable[[str, float], None]


class MadeUp(BaseModel):
    """What was found.

    Attributes:
        people: how many; none of them is trained on.
        found: frontal views with a face of 40 px or more in which a detector finds it where it is.
        faces: people told apart across occasions, by their faces. Likewise ``voices``, across utterances.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: int
    found: Share
    faces: Verification
    voices: Verification


@dataclass(frozen=True, repr=False)
class _View:
    """A frontal view: its frame, (1, H, W, 3), and the face as it truly lies there."""

    frame: NDArray[np.uint8]
    face: Look

    @property
    def found(self) -> bool:
        """Whether the middle of what a detector finds lies in the face."""
        (x, y), (high, across) = self.face.centre, self.face.reach
        middles = [look.centre for look in faces_in(self.frame)]
        return any(abs(u - x) <= across / 2 and abs(v - y) <= high / 2 for u, v in middles)


def evaluate(people: int, *, progress: Progress = lambda doing, share: None) -> MadeUp:
    """Draw them, have them speak, and ask.

    Args:
        people: how many, two or more.
        progress: told what is being done and the share of it that is done.

    Raises:
        UsageError: fewer than two people.
        WeightsMissing: an encoder's weights are not on this machine.
    """
    if people < 2:
        raise UsageError("who is told from whom can only be asked of two or more people")
    encoder = registry.get(FACE_SPACE)
    found = of = 0
    faces: list[tuple[str, NDArray[np.float32]]] = []
    voices: list[tuple[str, NDArray[np.float32]]] = []
    for number in range(people):
        progress("drawing and hearing people", number / people)
        seed = HELD_OUT + number
        for occasion in _OCCASIONS:
            views = list(_frontal(seed, occasion))
            found += sum(view.found for view in views)
            of += len(views)
            if views:
                faces.append((str(seed), encoder.encode([view.face for view in views]).mean(0)))
            voices.append((str(seed), voice_vector(_utterance(seed, occasion), VOICE_SPACE)))
    heard = [(seed, vector) for seed, vector in voices if np.isfinite(vector).all()]
    return MadeUp(
        people=people,
        found=Share(right=found, of=of),
        faces=verify(FACE_SPACE, [vector for _, vector in faces], [seed for seed, _ in faces], unit=encoder.card.unit),
        voices=verify(VOICE_SPACE, [vector for _, vector in heard], [seed for seed, _ in heard], unit=True),
    )


def table_markdown(report: MadeUp) -> str:
    """The report as Markdown."""
    found = f"MTCNN finds the face in {report.found} of frontal views of {_HIGH:g} px or more."
    return "\n".join([found, "", *markdown_rows([report.faces, report.voices])]) + "\n"


def _frontal(seed: int, occasion: int) -> Iterator[_View]:
    clip = make_clip(seed, occasion, seconds=SECONDS, size=SIZE, fps=_FPS, shot="close-up")
    (member,) = clip.truth["cast"]
    for index, frame in enumerate(clip.frames):
        points = np.array(member["landmarks"][index], np.float32)
        box = face_box(points)
        if max(abs(member["yaw"][index]), abs(member["pitch"][index])) <= _FRONTAL and box[3] - box[1] >= _HIGH:
            face = cut_look(frame, box, points, index=index, second=index / _FPS, confidence=1.0, pose=Pose())
            yield _View(frame[None], face)


def _utterance(seed: int, occasion: int) -> NDArray[np.float32]:
    words = [str(word) for word in np.random.default_rng([0x5A1D, seed, occasion]).choice(WORDS, _SAID)]
    return speak(Voice.from_seed(seed), words, seed=occasion, sample_rate=SAMPLE_RATE).samples.astype(np.float32)


def main() -> None:
    parser = bare_parser_of("made_up", __doc__)
    parser.add_argument("--people", type=int, default=200, help="how many, two or more")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    complaints = Console(stderr=True, highlight=False)
    with refusing(complaints):
        make_folder(options.out)
        report = evaluate(
            options.people,
            progress=lambda doing, share: complaints.print(f"[dim]{100 * share:3.0f} %[/dim] {doing}"),
        )
    (options.out / "report.json").write_text(report.model_dump_json(indent=1) + "\n")
    (options.out / "table.md").write_text(table_markdown(report))
    print(table_markdown(report), end="")


if __name__ == "__main__":
    main()
