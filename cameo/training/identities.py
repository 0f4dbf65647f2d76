"""Stage 5: the identity of every made-up person, from their reference clip alone.

    python -m cameo.training.identities

The same encoders, crops and pooling as an enrollment; only the face detector is left out, for the truth is known. These
people do not exist, so their identities may lie on disk as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cameo.training.run import Stage
from cameo.training.shards import Shards
from cameo.training.together import for_each, worker_options
from enroll.alignment import body_crop, head_crop
from enroll.encoders import registry
from enroll.errors import NoSpeech
from enroll.identity import Crop, Embedding, Identity, Pose
from enroll.looks import Look, cut_look, spread
from enroll.pooling import pool
from enroll.voice import best_speech, embed_voice, listen

FACE, BODY, VOICE = "dlib-resnet-128", "appearance", "ge2e-256"
"""The spaces nano's adapter reads: those that work wherever the package is installed."""

_FACE_VIEWS, _HEADS, _BODIES = 4, 4, 1


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
    heads = spread(looks, _HEADS)
    embeddings = [_embed(FACE, heads[:_FACE_VIEWS]), _embed(BODY, heads[:_BODIES])]
    speech = None
    try:
        heard = listen(sound)
    except NoSpeech:
        # Some made-up voices are nearly whispers; such a person is known by face alone.
        heard = None
    if heard is not None:
        embeddings.append(embed_voice(heard, registry.get(VOICE)))
        speech = best_speech(heard, embeddings[-1])
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


def face_box(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The box MTCNN would draw around five landmarks, (x0, y0, x1, y1)."""
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    height = 2.6 * max(float(np.linalg.norm(mouth - eyes)), 1.0)
    x, y = (eyes + mouth) / 2 + [0.0, 0.02 * height]
    return np.array([x - 0.4 * height, y - 0.55 * height, x + 0.4 * height, y + 0.48 * height], np.float32)


def _embed(space: str, looks: list[Look]) -> Embedding:
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


def main() -> None:
    stage = Stage.parse("identities", __doc__, worker_options)
    shards, folder = Shards.open(stage.folder("people")), stage.folder()
    missing = [(int(source.stem), source, folder / source.name) for source in shards.paths]
    for_each(stage, _identify_shard, [one for one in missing if not one[2].exists()])


@torch.no_grad()
def _identify_shard(seed: int, source: Path, target: Path) -> None:
    partial = target.with_suffix(".part")
    partial.write_bytes(from_shard(Shards((source,)), 0, seed).to_bytes())
    partial.replace(target)


if __name__ == "__main__":
    main()
