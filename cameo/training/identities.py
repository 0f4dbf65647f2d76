"""Stage 5: the identity of every made-up person, from their reference clip alone.

    python -m cameo.training.identities
    python -m cameo.training.identities --pack known.safetensors
    python -m cameo.training.identities --known known.safetensors

The same encoders, crops and pooling as an enrollment; only the face detector is left out, for the truth is known. These
people do not exist, so their identities may lie on disk as they are. ``--pack`` writes what the encoders said of
everybody, some kilobytes a person; with that, ``--known`` makes the identities where the encoders are not installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cameo.training.run import Stage
from cameo.training.shards import Shards
from cameo.training.together import for_each, worker_options
from enroll.alignment import body_crop, head_crop
from enroll.errors import NoSpeech
from enroll.identity import Crop, Embedding, Identity, Modality, Pose, Speech, View
from enroll.looks import Look, cut_look, spread
from enroll.pooling import pool

FACE, BODY, VOICE = "dlib-resnet-128", "appearance", "ge2e-256"
"""The spaces nano's adapter reads: those that work wherever the package is installed."""

DIMS = {FACE: 128, BODY: 240, VOICE: 256}

_MODALITIES: dict[str, Modality] = {FACE: "face", BODY: "body", VOICE: "voice"}
_FACE_VIEWS, _HEADS, _BODIES = 4, 4, 1
_RATE, _SPEECH_SECONDS = 16_000, 2.0


def identify(
    seed: int,
    frames: NDArray[np.uint8],
    landmarks: NDArray[np.float32],
    yaw: NDArray[np.float32],
    pitch: NDArray[np.float32],
    sound: NDArray[np.float32],
) -> Identity:
    """An Identity from a reference clip whose truth is known.

    Args:
        seed: the person; becomes the handle.
        frames: RGB uint8, (T, H, W, 3).
        landmarks: (T, 5, 2) pixels.
        yaw: degrees, (T,); ``pitch`` likewise.
        sound: mono 16 kHz in [-1, 1].
    """
    # Imported late: where the encoders' words are known already, they need not be installed.
    from enroll.encoders import registry
    from enroll.voice import best_speech, embed_voice, listen, speech_of

    heads = _heads(frames, landmarks, yaw, pitch)
    embeddings = [_embed(FACE, heads[:_FACE_VIEWS]), _embed(BODY, heads[:_BODIES])]
    speech = None
    try:
        heard = speech_of(listen(sound), sound)
    except NoSpeech:
        # Some made-up voices are nearly whispers; such a person is known by face alone.
        heard = None
    if heard is not None:
        embeddings.append(embed_voice(heard, registry.get(VOICE)))
        speech = best_speech(heard, embeddings[-1])
    return _identity(seed, embeddings, heads, speech)


def _identity(seed: int, embeddings: Sequence[Embedding], heads: Sequence[Look], speech: Speech | None) -> Identity:
    crops = [Crop("head", head_crop(k.patch, k.landmarks), k.second, k.quality, k.pose) for k in heads]
    crops += [Crop("body", body_crop(k.patch, k.box), k.second, k.quality, k.pose) for k in heads[:_BODIES]]
    return Identity(
        identity_id=f"made-up-{seed}",
        consent_id="",
        handle=f"p{seed}",
        embeddings={e.space: e for e in embeddings},
        crops=tuple(crops),
        speech=speech,
        created=datetime(2000, 1, 1, tzinfo=UTC),
    )


def _heads(
    frames: NDArray[np.uint8], landmarks: NDArray[np.float32], yaw: NDArray[np.float32], pitch: NDArray[np.float32]
) -> list[Look]:
    looks = [
        cut_look(
            frame,
            face_box(points),
            points,
            index=i,
            second=i * 0.32,
            confidence=1.0,
            pose=Pose(float(yaw[i]), float(pitch[i]), 0.0),
        )
        for i, (frame, points) in enumerate(zip(frames, landmarks, strict=True))
    ]
    return spread(looks, _HEADS)


def face_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box MTCNN would draw around five landmarks, (x0, y0, x1, y1)."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    height = 2.6 * max(float(np.linalg.norm(mouth - eyes)), 1.0)
    x, y = (eyes + mouth) / 2 + [0.0, 0.02 * height]
    return np.array([x - 0.4 * height, y - 0.55 * height, x + 0.4 * height, y + 0.48 * height], np.float32)


def _embed(space: str, looks: list[Look]) -> Embedding:
    from enroll.encoders import registry

    encoder = registry.get(space)
    return pool(
        encoder.card,
        encoder.encode(looks),
        [k.second for k in looks],
        [k.quality for k in looks],
        [k.pose for k in looks],
    )


def from_shard(shards: Shards, person: int, seed: int) -> Identity:
    """The identity of one shard's person."""
    truth = shards.truths(person)["reference"]["cast"][0]
    return identify(
        seed,
        shards.tensor(person, "reference_frames"),
        shards.tensor(person, "reference_landmarks"),
        np.array(truth["yaw"][::4], np.float32),
        np.array(truth["pitch"][::4], np.float32),
        shards.reference_sound(person),
    )


def from_known(shards: Shards, person: int, seed: int, known: Mapping[str, NDArray[np.float32]]) -> Identity:
    """The same from what encoders said of the person elsewhere: only crops and speech are cut anew, the speech where
    the truth has it.

    Args:
        shards: where the person is.
        person: number of the shard.
        seed: the person.
        known: what ``pack_known`` wrote.
    """
    truth = shards.truths(person)["reference"]["cast"][0]
    yaw, pitch = (np.array(truth[name][::4], np.float32) for name in ("yaw", "pitch"))
    frames, landmarks = (shards.tensor(person, f"reference_{name}") for name in ("frames", "landmarks"))
    embeddings = [
        Embedding(space, modality, rows[0], tuple(View(row, 0.0, 1.0) for row in rows[1:]))
        for space, modality in _MODALITIES.items()
        if (rows := known.get(f"{seed}/{space}")) is not None
    ]
    begin, end = (round(second * _RATE) for second in truth["speaks"])
    heard = shards.reference_sound(person)[begin:end][: round(_SPEECH_SECONDS * _RATE)]
    speech = Speech(heard.copy()) if any(e.modality == "voice" for e in embeddings) else None
    return _identity(seed, embeddings, _heads(frames, landmarks, yaw, pitch), speech)


def pack_known(folder: Path, to: Path) -> None:
    """Write the embeddings of every identity in ``folder``: ``<seed>/<space>``, (1 + views, D). The mean comes first,
    then the views, best first, of faces only; nothing reads the others."""
    packed = {}
    for path in sorted(folder.glob("[0-9]*.safetensors")):
        for space, embedding in Identity.from_bytes(path.read_bytes()).embeddings.items():
            best = sorted(embedding.views, key=lambda view: view.quality, reverse=True)
            rows = [embedding.vector, *(view.vector for view in best if space == FACE)]
            packed[f"{int(path.stem)}/{space}"] = np.stack(rows).astype(np.float32)
    save_file(packed, to)


def main() -> None:
    stage = Stage.parse("identities", __doc__, _options)
    if stage.options.pack is not None:
        pack_known(stage.folder(), stage.options.pack)
        return
    shards, folder = Shards.open(stage.folder("people")), stage.folder()
    known = {} if stage.options.known is None else load_file(stage.options.known)
    missing = []
    for source in shards.paths:
        names = [f"{int(source.stem)}/{space}" for space in _MODALITIES]
        if not (folder / source.name).exists():
            of_them = {name: known[name].astype(np.float32) for name in names if name in known}
            missing.append((int(source.stem), source, folder / source.name, of_them))
    for_each(stage, _identify_shard, missing)


@torch.no_grad()
def _identify_shard(seed: int, source: Path, target: Path, known: Mapping[str, NDArray[np.float32]]) -> None:
    shard = Shards((source,))
    identity = from_known(shard, 0, seed, known) if f"{seed}/{FACE}" in known else from_shard(shard, 0, seed)
    partial = target.with_suffix(".part")
    partial.write_bytes(identity.to_bytes())
    partial.replace(target)


def _options(parser: argparse.ArgumentParser) -> None:
    worker_options(parser)
    parser.add_argument(
        "--pack", type=Path, help="write what the encoders said of everybody to this file, nothing else"
    )
    parser.add_argument("--known", type=Path, help="such a file, to be taken at its word")


if __name__ == "__main__":
    main()
