"""How well a live challenge is judged: digits that were said and were not, turns, cuts and splices.

    python -m benchmarks.challenge [--voices 20] [--trials 10] [--answers 0]

Speakers are made-up voices, eSpeak NG's where it is installed, and a talker of GRID and readers of LibriSpeech where
the shared material is there. ``--answers`` renders that many made-up people who answer a challenge and judges them
whole.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cameo.synth.voices import Voice, speak
from enroll.clip import SAMPLE_RATE, Clip
from enroll.continuity import CutDetector
from enroll.digits import find_digits
from enroll.splices import find_splices
from enroll.voice import listen

Sound = NDArray[np.float32]
SHARED = Path(os.environ.get("CAMEO_SHARED", Path(__file__).resolve().parents[2] / "shared"))
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = tuple(a + v for a in ("en-us", "en-gb", "en-gb-scotland", "en-029") for v in ("", "+m3", "+m7", "+f2", "+f4"))
WHOLE = ("latentsync_demo1.mp4", "latentsync_demo2.mp4", "liveportrait_d13_selfie_noaudio.mp4", "grid_x_lb_lbbc2a.mpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--voices", type=int, default=20, help="utterances of each kind of speaker")
    parser.add_argument("--trials", type=int, default=10, help="random challenges held against each utterance")
    parser.add_argument("--answers", type=int, default=0, help="made-up people rendered and judged whole")
    asked = parser.parse_args()
    print("| speakers | said and found | one digit off | two swapped | random | seconds for 10 s |")
    print("|---|--:|--:|--:|--:|--:|")
    rng = np.random.default_rng(0)
    for name, said in (("made up", made_up), ("eSpeak NG, 20 accents and voices", espeak), ("GRID s31", grid)):
        digits(name, list(said(asked.voices, rng)), asked.trials, rng)
    silent(asked.trials, rng)
    continuity()
    if asked.answers:
        answers(asked.answers)


def digits(name: str, utterances: list[tuple[str, Sound]], trials: int, rng: np.random.Generator) -> None:
    if not utterances:
        return
    found: dict[str, list[bool]] = {"right": [], "off": [], "swapped": [], "random": []}
    spent = heard = 0.0
    for said, sound in utterances:
        for kind, wanted in challenges(said, trials, rng):
            began = time.process_time()
            found[kind].append(find_digits(sound, wanted, [(0, len(sound))]) is not None)
            spent, heard = spent + time.process_time() - began, heard + len(sound) / SAMPLE_RATE
    shares = " | ".join(f"{sum(f)}/{len(f)}" for f in found.values())
    print(f"| {name} | {shares} | {10 * spent / heard:.2f} |", flush=True)


def challenges(said: str, trials: int, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    yield "right", said
    place = int(rng.integers(len(said)))
    yield "off", said[:place] + str((int(said[place]) + int(rng.integers(1, 10))) % 10) + said[place + 1 :]
    place = int(rng.integers(len(said) - 1))
    if said[place] != said[place + 1]:
        yield "swapped", said[:place] + said[place + 1] + said[place] + said[place + 2 :]
    for _ in range(trials):
        yield "random", six(rng)


def six(rng: np.random.Generator) -> str:
    return f"{int(rng.integers(10**6)):06d}"


def made_up(count: int, rng: np.random.Generator) -> Iterator[tuple[str, Sound]]:
    for seed in range(count):
        said = six(rng)
        words = ["hello,", "i", "agree.", "my", "numbers", "are,", *said, "now", "i", "turn", "my", "head."]
        yield said, noisy(speak(Voice.from_seed(seed), words, seed=seed).samples, rng)


def espeak(count: int, rng: np.random.Generator) -> Iterator[tuple[str, Sound]]:
    program = shutil.which("espeak-ng")
    for number in range(count if program else 0):
        said = six(rng)
        text = f"My numbers are {' '.join(WORDS[int(digit)] for digit in said)}. Now I turn my head."
        speed = str(int(rng.integers(130, 180)))
        command = [str(program), "-v", ACCENTS[number % len(ACCENTS)], "-s", speed, "--stdout", text]
        wave = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603
        yield said, noisy(resample_poly(np.frombuffer(wave[44:], np.int16) / 32768, 320, 441), rng)


def grid(count: int, rng: np.random.Generator) -> Iterator[tuple[str, Sound]]:
    """Single digits of one person, cut out where an aligner puts them and put together in sixes."""
    cut = {path.stem[-2]: grid_digit(path) for path in sorted((SHARED / "clips").glob("grid_s31_*[0-9]?.mpg"))}
    names = sorted(cut)
    for _ in range(count if names else 0):
        said = "".join(names[i] for i in rng.permutation(len(names))[:6])
        pause = np.zeros(SAMPLE_RATE // 8, np.float32)
        yield said, noisy(np.concatenate([piece for digit in said for piece in (cut[digit], pause)]), rng)


def grid_digit(path: Path) -> Sound:
    from pocketsphinx import Decoder

    name = path.stem[-6:]
    words = (
        {"b": "bin", "l": "lay", "p": "place", "s": "set"}[name[0]],
        {"b": "blue", "g": "green", "r": "red", "w": "white"}[name[1]],
        {"a": "at", "b": "by", "i": "in", "w": "with"}[name[2]],
        name[3],
        WORDS[int(name[4])],
        {"a": "again", "n": "now", "p": "please", "s": "soon"}[name[5]],
    )
    sound = Clip.open(path).sound
    decoder = Decoder(lm=None, samprate=SAMPLE_RATE, loglevel="FATAL")
    decoder.set_align_text(" ".join(words))
    decoder.start_utt()
    decoder.process_raw((sound * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    (word,) = [part for part in decoder.seg() if part.word == words[4]]
    return sound[word.start_frame * 160 - 320 : word.end_frame * 160 + 480]


def noisy(sound: NDArray[np.floating], rng: np.random.Generator) -> Sound:
    """At 15 to 40 dB, with half a second before and after."""
    level = np.sqrt(np.mean(sound[np.abs(sound) > 0.01] ** 2)) * 10 ** (-rng.uniform(15, 40) / 20)
    return (np.pad(sound, SAMPLE_RATE // 2) + rng.normal(0, level, len(sound) + SAMPLE_RATE)).astype(np.float32)


def recordings() -> dict[str, Sound]:
    import soundfile

    sounds = {path.name: soundfile.read(path, dtype="float32")[0] for path in sorted(SHARED.glob("voices/*.flac"))}
    for path in sorted((*SHARED.glob("clips/*.mpg"), *SHARED.glob("clips/*.mp4"))):
        sound = Clip.open(path).sound
        if sound is not None and float(np.abs(sound).max()) > 1e-4:
            sounds[path.name] = sound
    return sounds


def silent(trials: int, rng: np.random.Generator) -> None:
    """Speech that holds no challenge, against random ones."""
    count = hits = 0
    for path in sorted(SHARED.glob("voices/libri_*.flac")):
        import soundfile

        sound = soundfile.read(path, dtype="float32")[0]
        for _ in range(trials):
            hits += find_digits(sound, six(rng), [(0, len(sound))]) is not None
            count += 1
    print(f"| LibriSpeech, no digits | | | | {hits}/{count} | |", flush=True)


def continuity() -> None:
    print("\n| continuity | |\n|---|--:|")
    films = {name: [f.grey for f in Clip.open(SHARED / "clips" / name).watch(1.0)] for name in WHOLE if SHARED.is_dir()}
    rng = np.random.default_rng(0)
    if films:
        seconds = sum(map(len, films.values())) / 27
        print(f"| cuts found in {seconds:.0f} s without any | {sum(len(cuts(f)) for f in films.values())} |", flush=True)
        jumps, splices = [], []
        for name, film in films.items():
            for _ in range(10):
                place = int(rng.integers(20, len(film) - 48))
                skip = int(rng.integers(15, min(45, len(film) - place - 20)))
                jumps.append(near(cuts(film[:place] + film[place + skip :]), place))
            for other in films:
                if other != name:
                    after = films[other] if films[other][0].shape == film[0].shape else []
                    splices += [near(cuts(film[:30] + after[10:]), 30)] if after else []
        print(f"| jumps of 0.6 to 1.8 s within one clip found | {sum(jumps)}/{len(jumps)} |")
        print(f"| splices of two clips found | {sum(splices)}/{len(splices)} |", flush=True)
    sounds = recordings() if SHARED.is_dir() else {}
    spans = {name: spoken(sound) for name, sound in sounds.items()}
    false = [name for name, sound in sounds.items() if find_splices(sound, spans[name])]
    print(f"| recordings in one piece called spliced | {len(false)}/{len(sounds)} |", flush=True)
    long = [name for name, sound in sounds.items() if len(sound) > 6 * SAMPLE_RATE and len(spans[name]) > 1]
    hits = []
    for _ in range(40 if len(long) > 1 else 0):
        pair = [sounds[long[i]][: 6 * SAMPLE_RATE] for i in rng.choice(len(long), 2, replace=False)]
        joined = np.concatenate([part / np.sqrt(np.mean(part**2)) * 0.05 for part in pair]).astype(np.float32)
        hits.append(any(abs(second - 6) < 1.5 for second in find_splices(joined, spoken(joined))))
    print(f"| two recordings of one loudness spliced, found by sound alone | {sum(hits)}/{len(hits)} |", flush=True)


def spoken(sound: Sound) -> tuple[tuple[int, int], ...]:
    from enroll.errors import NoSpeech

    try:
        return listen(sound).spans
    except NoSpeech:
        return ()


def cuts(film: list[NDArray[np.uint8]]) -> list[float]:
    detector = CutDetector()
    for place, grey in enumerate(film):
        detector.see(place / 25, grey)
    return [second * 25 for second in detector.cuts()]


def near(found: list[float], place: int) -> bool:
    return any(abs(cut - place) <= 2 for cut in found)


def answers(count: int) -> None:
    """Made-up people who answer, rendered, written, and judged from the file on."""
    from cameo.scene import write_scene
    from cameo.synth.answers import make_answer
    from enroll.consent import Challenge
    from enroll.encoders import registry
    from enroll.examination import examine
    from enroll.turns import find_turns, match_turns

    rng = np.random.default_rng(0)
    orders = list(permutations(("left", "right", "up", "down"), 3))
    now = datetime.now(UTC)
    levels, others, failed = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1_000_100, 1_000_100 + count):
            turns = orders[int(rng.integers(len(orders)))]
            asked = Challenge(digits=six(rng), turns=turns, valid_until=now + timedelta(minutes=29))
            made = make_answer(seed, asked.digits, turns)
            path = Path(folder) / f"{seed}.mp4"
            write_scene(path, made.frames, made.sound, made.fps, made.sample_rate, made.caption)
            encoder = registry.get("dlib-resnet-128")
            found = examine(Clip.open(path), encoder, voice=True, challenge=asked, now=now)
            levels.append(found.liveness.level if found.liveness else "none")
            failed += [check.name for check in found.liveness.failed] if found.liveness else [found.refusal.code]
            if found.subject is not None:
                seen = find_turns(found.subject.head)
                others.append(sum(match_turns(order, seen) is not None for order in orders if order != turns))
    print(f"\n{count} made-up people who answer: {', '.join(f'{levels.count(n)} {n}' for n in ('live', 'spoken', 'none'))}")
    print(f"what failed: {', '.join(sorted(failed)) or 'nothing'}")
    print(f"of the 23 other orders of turns, accepted: {np.mean(others):.1f} on average (the mirrored one is one)")


if __name__ == "__main__":
    main()
