"""How well made-up voices hold for strangers to them: a speaker encoder, a recogniser, a clock.

    python benchmarks/voices.py [--speakers 200] [--listeners 100]

Prints one table: GE2E's verdicts on clips of one voice with different words against those of different voices, the
digits pocketsphinx hears right, and the time that two seconds of speech take on one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pocketsphinx
import torch
from numpy.typing import NDArray
from resemblyzer import VoiceEncoder, preprocess_wav
from rich.console import Console
from rich.progress import track
from rich.table import Table
from sklearn.metrics import roc_auc_score, roc_curve

from cameo.synth.lexicon import LEXICON
from cameo.synth.voices import Voice, speak

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OCCASIONS = 3
FIRST_SEED = 10_000
"""No voice measured here was looked at while the traits were chosen."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speakers", type=int, default=200, help="voices for the speaker encoder")
    parser.add_argument("--listeners", type=int, default=100, help="voices for the recogniser")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = Table("what", "figure")
    for name, figure in [
        *told_apart(arguments.speakers).items(),
        *digits_heard(arguments.listeners).items(),
        *speed().items(),
    ]:
        table.add_row(name, figure)
    Console().print(table)


def told_apart(speakers: int) -> dict[str, str]:
    """GE2E on every pair of clips, about 3.6 s of different words each."""
    encoder = VoiceEncoder("cpu", verbose=False)
    words, clips, seconds = sorted(LEXICON), [], []
    for speaker in track(range(FIRST_SEED, FIRST_SEED + speakers), "speaker encoder", console=Console(stderr=True)):
        for occasion in range(OCCASIONS):
            said = np.random.default_rng([speaker, occasion]).choice(words, 9).tolist()
            utterance = speak(Voice.from_seed(speaker), said, seed=1000 * speaker + occasion)
            clips.append(encoder.embed_utterance(preprocess_wav(utterance.samples, source_sr=utterance.sample_rate)))
            seconds.append(utterance.seconds)
    vectors = np.stack(clips)
    who = np.repeat(np.arange(speakers), OCCASIONS)
    a, b = np.triu_indices(len(vectors), 1)
    likeness, same = (vectors @ vectors.T)[a, b], who[a] == who[b]
    false_alarms, hits, _ = roc_curve(same, likeness)
    rest = np.arange(len(vectors)) % OCCASIONS > 0
    nearest = (vectors[rest] @ vectors[~rest].T).argmax(1)
    clips_of = f"{speakers} voices × {OCCASIONS} clips of {np.mean(seconds):.1f} s"
    return {
        f"GE2E, {clips_of}: AUC": f"{roc_auc_score(same, likeness):.4f}",
        "equal error rate": f"{100 * np.min(np.maximum(false_alarms, 1 - hits)):.1f} %",
        f"the right voice is nearest among {speakers}": f"{100 * np.mean(nearest == who[rest]):.1f} %",
        "cosine of one voice, of two": f"{likeness[same].mean():.3f}, {likeness[~same].mean():.3f}",
    }


def digits_heard(listeners: int) -> dict[str, str]:
    """Word accuracy of pocketsphinx with a digits grammar on three strings of five digits a voice."""
    with tempfile.TemporaryDirectory() as folder:
        grammar = Path(folder) / "digits.gram"
        grammar.write_text(f"#JSGF V1.0;\ngrammar digits;\npublic <digits> = ({' | '.join(DIGITS)})+;\n")
        decoder = pocketsphinx.Decoder(jsgf=str(grammar), samprate=16_000, loglevel="FATAL")
    wrong = []
    for seed in track(range(FIRST_SEED, FIRST_SEED + listeners), "recogniser", console=Console(stderr=True)):
        draw = np.random.default_rng(seed)
        strings = [[DIGITS[i] for i in draw.integers(0, 10, 5)] for _ in range(3)]
        wrong.append(
            sum(
                edits(said, hear(decoder, speak(Voice.from_seed(seed), said, seed=k).samples))
                for k, said in enumerate(strings)
            )
        )
    rates = 1 - np.array(wrong) / 15
    return {
        f"digits heard right, {listeners} voices": f"{100 * rates.mean():.1f} %",
        "the same, worst tenth of the voices": f"{100 * np.sort(rates)[: max(1, listeners // 10)].mean():.1f} %",
    }


def hear(decoder: pocketsphinx.Decoder, samples: NDArray[np.float32]) -> list[str]:
    decoder.start_utt()
    decoder.process_raw((np.pad(samples, 4000) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr.split() if decoder.hyp() else []


def edits(a: list[str], b: list[str]) -> int:
    """Levenshtein distance in words."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (x != y)))
    return row[-1]


def speed() -> dict[str, str]:
    voice, spent, made = Voice.from_seed(0), 0.0, 0.0
    for seed in range(21):
        begun = time.perf_counter()
        utterance = speak(voice, ["hello", "my", "name", "is", "seven", "nine", "two"], seed=seed)
        if seed:
            spent, made = spent + time.perf_counter() - begun, made + utterance.seconds
    return {"two seconds of speech": f"{2000 * spent / made:.0f} ms"}


if __name__ == "__main__":
    main()
