"""How well voices are parted, tied to mouths and told from their background, on real recordings.

    python benchmarks/voice_and_mouth.py [--shared ../shared] [--long]

Prints a table. Error rates of diarisation follow NIST: missed, false and confused speech over spoken time, 0.25 s
around each change left out, speakers matched for the least error.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score

from enroll.attribution import attribute
from enroll.background import music
from enroll.clip import Clip
from enroll.encoders import registry
from enroll.sightings import watch
from enroll.subject import find_people
from enroll.sync import AGREES, DISAGREES, SOON_AGREES, agreements
from enroll.tracking import HeadTrack
from enroll.voice import Hearing, best_speech, embed_voice, listen, speech_of

RATE = 16_000
STEP = 160
Sound = NDArray[np.float32]
Turns = Sequence[tuple[int, int, object]]
Take = tuple[HeadTrack, Sound]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--long", action="store_true", help="time ten minutes as well")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("what", "figure")
    voices = {
        path.stem: soundfile.read(path, dtype="float32")[0] for path in (arguments.shared / "voices").glob("*.flac")
    }
    for part in (readers(voices), telephone(arguments.shared), backgrounds(voices, arguments.shared)):
        for name, figure in part:
            table.add_row(name, figure)
    for name, figure in mouths(arguments.shared):
        table.add_row(name, figure)
    for name, figure in speed(voices, long=arguments.long):
        table.add_row(name, figure)
    Console().print(table)


def readers(voices: dict[str, Sound]) -> Iterator[tuple[str, str]]:
    ones = [listen(sound[: 30 * RATE]) for sound in voices.values()]
    yield "one reader: one speaker found", f"{sum(len(h.speakers) == 1 for h in ones)} of {len(ones)} files"
    first: dict[str, Sound] = {}
    for name, sound in sorted(voices.items(), key=lambda item: -len(item[1])):
        first.setdefault(name.split("-")[0], sound)
    for turn in (2.0, 4.0):
        for noise in (None, 20.0, 10.0):
            counts, pure, errors = [], [], []
            for pair in combinations(first, 2):
                sound, truth = in_turns([first[name] for name in pair], turn)
                if noise is not None:
                    sound = with_noise(sound, noise)
                hearing = listen(sound)
                counts.append(len(hearing.speakers) == 2)
                pure.append(purity(hearing, truth))
                errors.append(diarization_error(spoken(truth, hearing), turns(hearing), len(sound)))
            under = "" if noise is None else f", white noise {noise:.0f} dB below"
            yield (
                f"two readers in turns of {turn:.0f} s{under}: two found; purity of kept speech; DER",
                f"{sum(counts)} of {len(counts)}; {np.mean(pure):.3f} (worst {min(pure):.3f}); {np.mean(errors):.1%}",
            )


def telephone(shared: Path) -> Iterator[tuple[str, str]]:
    sound, _ = soundfile.read(shared / "voices" / "pyannote_two_speakers.wav", dtype="float32")
    truth = []
    for line in (shared / "voices" / "pyannote_two_speakers.rttm").read_text().split("\n"):
        if fields := line.split():
            begin = round(float(fields[3]) * RATE)
            truth.append((begin, begin + round(float(fields[4]) * RATE), fields[7]))
    hearing = listen(sound)
    error = diarization_error(truth, turns(hearing), len(sound))
    yield "two alike voices on the telephone: speakers found; DER", f"{len(hearing.speakers)}; {error:.1%}"


def backgrounds(voices: dict[str, Sound], shared: Path) -> Iterator[tuple[str, str]]:
    speech = [sound[: 15 * RATE] for _, sound in sorted(voices.items()) if len(sound) > 10 * RATE]
    for db in (20.0, 10.0, 5.0):
        found = [listen(with_noise(sound, db)).background.snr_db for sound in speech]
        yield (
            f"white noise {db:.0f} dB below: measured",
            f"{np.mean(found):.1f} dB ({min(found):.1f} to {max(found):.1f})",
        )
    clips = [Clip.open(path).sound for path in sorted((shared / "clips").glob("*")) if is_talk(path)]
    heard = [music(sound) for sound in [*speech, *(sound for sound in clips if sound is not None)]]
    flagged = sum(share > 0.25 for share in heard)
    yield "speech of which music is said for more than a quarter", f"{flagged} of {len(heard)}"
    for db in (None, 0.0, 10.0):
        tunes = [chords(len(sound) / RATE, seed) for seed, sound in enumerate(speech)]
        mixes = tunes if db is None else [blend(a, b, db) for a, b in zip(speech, tunes, strict=True)]
        what = "made-up music alone" if db is None else f"made-up music {db:.0f} dB below speech"
        yield f"{what}: share of time found", f"{np.mean([music(mix) for mix in mixes]):.2f}"
    rap = Clip.open(shared / "clips" / "facerec_hamilton_cuts.mp4").sound
    if rap is not None:
        yield "rap over music (facerec_hamilton): share of time found", f"{music(rap):.2f}"


def mouths(shared: Path) -> Iterator[tuple[str, str]]:
    encoder = registry.get("dlib-resnet-128")
    takes: dict[str, Take] = {}
    for path in sorted((shared / "clips").glob("*")):
        if is_talk(path):
            clip = Clip.open(path)
            people = find_people(watch(clip), clip, encoder)
            if clip.sound is not None:
                takes[path.stem] = (max((person.head for person in people), key=len), clip.sound)
            if len(people) == 2 and clip.sound is not None:
                hearing = listen(clip.sound)
                found = attribute(hearing, [person.head for person in people], clip.sound)
                who = ["nobody for sure" if k is None else f"person {k + 1}" for k in found.owners]
                yield (
                    f"{path.stem}: speaker by speaker",
                    ", ".join(
                        f"{speaker.number} ({speaker.seconds:.1f} s) {owner}"
                        for speaker, owner in zip(hearing.speakers, who, strict=True)
                    ),
                )
                del takes[path.stem]
    yield from pairs("3 s", [cut(take, at, 2.95) for take in takes.values() for at in every(take, 2.95)])
    yield from pairs("5 s", [cut(take, at, 5.0) for take in takes.values() for at in every(take, 5.0)])
    grid = [take for name, take in takes.items() if name.startswith("grid_s")]
    nine = [joined(grid[at : at + 3]) for at in range(0, len(grid) - 2, 3)]
    nine += [cut(take, at, 9.9) for take in takes.values() for at in every(take, 9.9)]
    yield from pairs("9 to 10 s, sound shifted by whole seconds as well", nine, shifted=True)


def pairs(name: str, takes: list[Take], *, shifted: bool = False) -> Iterator[tuple[str, str]]:
    """Every mouth with every sound, and with its own sound at the wrong time."""
    true, false = [], []
    for number, (head, sound) in enumerate(takes):
        rows = agreements([take[0] for take in takes], sound, [listen(sound).spans])
        for other, row in enumerate(rows):
            (true if other == number else false).append(row[0])
        for seconds in range(1, 9) if shifted else ():
            moved = np.roll(sound, seconds * RATE)
            false.append(agreements([head], moved, [listen(moved).spans])[0][0])
    scores = [a.score for a in true], [a.score for a in false]
    auc = roc_auc_score([1] * len(true) + [0] * len(false), scores[0] + scores[1])
    yield f"{name}: true pairs, wrong pairs, AUC", f"{len(true)}, {len(false)}, {auc:.3f}"
    for limit in (DISAGREES, AGREES, SOON_AGREES):
        above = [float(np.mean(np.array(some) >= limit)) for some in scores]
        yield f"{name}: score {limit} and more, true and wrong", f"{above[0]:.0%} and {above[1]:.1%}"
    for verdict in ("agrees", "undecided", "disagrees"):
        share = [float(np.mean([a.verdict == verdict for a in some])) for some in (true, false)]
        yield f"{name}: {verdict}, true and wrong", f"{share[0]:.0%} and {share[1]:.1%}"
    yield f"{name}: lag of the true ones", f"{min(a.lag for a in true):+.2f} to {max(a.lag for a in true):+.2f} s"


def speed(voices: dict[str, Sound], *, long: bool) -> Iterator[tuple[str, str]]:
    sound = np.concatenate(list(voices.values()))
    encoder = registry.get("ge2e-256")
    for seconds in (10, 600) if long else (10,):
        clip = np.resize(sound, seconds * RATE)
        best = np.inf
        for _ in range(4 if seconds == 10 else 1):
            begun = time.process_time()
            heard = speech_of(listen(clip), clip)
            best_speech(heard, embed_voice(heard, encoder))
            best = min(best, time.process_time() - begun)
        yield f"everything of the voice, {seconds} s of sound, models loaded", f"{best:.2f} s of one core"


def is_talk(path: Path) -> bool:
    return path.stem.startswith(("grid", "latentsync", "visualvoice"))


def in_turns(sounds: Sequence[Sound], turn: float) -> tuple[Sound, list[tuple[int, int, object]]]:
    length = round(turn * RATE)
    rounds = min(3, *(len(sound) // length for sound in sounds))
    parts = [(who, sound[r * length : (r + 1) * length]) for r in range(rounds) for who, sound in enumerate(sounds)]
    truth = [(k * length, (k + 1) * length, who) for k, (who, _) in enumerate(parts)]
    return np.concatenate([part for _, part in parts]), truth


def spoken(truth: Turns, hearing: Hearing) -> list[tuple[int, int, object]]:
    """Readers pause; whose turn it is counts while somebody speaks."""
    return [
        (max(begin, b), min(end, e), who)
        for begin, end, who in truth
        for b, e in hearing.spans
        if min(end, e) > max(begin, b)
    ]


def turns(hearing: Hearing) -> list[tuple[int, int, object]]:
    return [(begin, end, speaker.number) for speaker in hearing.speakers for begin, end in speaker.turns]


def purity(hearing: Hearing, truth: Turns) -> float:
    right = total = 0.0
    for speaker in hearing.speakers:
        heard: dict[object, int] = {}
        for begin, end in speaker.spans:
            for b, e, who in truth:
                heard[who] = heard.get(who, 0) + max(0, min(end, e) - max(begin, b))
        right += max(heard.values(), default=0)
        total += sum(heard.values())
    return right / max(total, 1.0)


def diarization_error(truth: Turns, found: Turns, samples: int, collar: float = 0.25) -> float:
    count = samples // STEP

    def grid(turns: Turns) -> NDArray[np.bool_]:
        names = sorted({who for *_, who in turns}, key=str)
        rows = np.zeros((len(names), count), bool)
        for begin, end, who in turns:
            rows[names.index(who), begin // STEP : end // STEP] = True
        return rows

    scored = np.ones(count, bool)
    for begin, end, _ in truth:
        for edge in (begin, end):
            scored[max(0, int(edge / STEP - collar * 100)) : int(edge / STEP + collar * 100)] = False
    real, guess = grid(truth)[:, scored], grid(found)[:, scored]
    together = (real[:, None] & guess[None]).sum(2)
    rows, columns = linear_sum_assignment(-together)
    wrong = np.maximum(real.sum(0), guess.sum(0)).sum() - together[rows, columns].sum()
    return float(wrong / max(1, real.sum()))


def with_noise(sound: Sound, db: float) -> Sound:
    return blend(sound, np.random.default_rng(0).normal(size=len(sound)).astype(np.float32), db)


def blend(speech: Sound, other: Sound, db: float) -> Sound:
    """``other`` so far below the speech where somebody speaks."""
    level = np.mean(np.concatenate([speech[begin:end] for begin, end in listen(speech).spans]) ** 2)
    other = np.resize(other, len(speech))
    return (speech + other * np.sqrt(level / np.mean(other**2) / 10 ** (db / 10))).astype(np.float32)


def chords(seconds: float, seed: int) -> Sound:
    """Struck triads with overtones, two a second."""
    draw, moment = np.random.default_rng(seed), np.arange(round(seconds * RATE)) / RATE
    out = np.zeros(len(moment))
    for begin in np.arange(0, seconds, 0.5):
        here = (moment >= begin) & (moment < begin + 0.5)
        root = draw.choice([174.6, 196.0, 220.0, 246.9, 261.6])
        for tone in (root, root * 1.2599, root * 1.4983):
            for overtone in (1, 2, 3):
                out[here] += np.sin(2 * np.pi * tone * overtone * moment[here]) / overtone
        out[here] *= np.exp(-2 * (moment[here] - begin))
    return (0.1 * out / np.abs(out).max()).astype(np.float32)


def every(take: Take, seconds: float) -> list[float]:
    """Beginnings of the stretches that a take holds."""
    return [k * seconds for k in range(int(min(take[0].seconds[-1] + 0.05, len(take[1]) / RATE) / seconds + 0.02))]


def cut(take: Take, begin: float, seconds: float) -> Take:
    head, sound = take
    keep = (head.seconds >= begin - 1e-6) & (head.seconds < begin + seconds)
    part = HeadTrack(head.seconds[keep] - begin, head.poses[keep], head.mouths[keep])
    return part, sound[round(begin * RATE) : round((begin + seconds) * RATE)]


def joined(takes: Sequence[Take]) -> Take:
    """Takes of 3 s one after the other."""
    heads = [head for head, _ in takes]
    seconds = np.concatenate([head.seconds + 3.0 * k for k, head in enumerate(heads)])
    head = HeadTrack(
        seconds, np.concatenate([head.poses for head in heads]), np.concatenate([head.mouths for head in heads])
    )
    return head, np.concatenate([np.pad(sound, (0, 3 * RATE))[: 3 * RATE] for _, sound in takes])


if __name__ == "__main__":
    main()
