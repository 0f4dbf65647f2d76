"""The whole way from a clip and a consent to an Identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np

from enroll.alignment import body_crop, head_crop
from enroll.body import hide_face
from enroll.clip import Clip
from enroll.consent import ConsentRecord
from enroll.coverage import coverage
from enroll.encoders import registry
from enroll.encoders.base import Encoder
from enroll.errors import BadInput
from enroll.faces import find_faces
from enroll.identity import Crop, Embedding, Identity, Modality, Speech
from enroll.looks import Look, spread
from enroll.pooling import pool
from enroll.subject import find_subject
from enroll.voice import Heard, best_speech, embed_voice, listen, speech_of

__all__ = ["Progress", "enroll"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""

HEAD_CROPS, BODY_CROPS = 4, 2
_VIEWS: dict[Modality, int] = {"face": 12, "body": 4}


def enroll(
    clip: str | Path,
    consent: ConsentRecord,
    *,
    handle: str | None = None,
    encoders: Sequence[str] | None = None,
    trusted: Collection[str] | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Identity:
    """Learns the one person in a clip, as far as their consent goes.

    Args:
        clip: a video file.
        consent: what the person agreed to; verified before the clip is opened. Its scope decides what is learnt.
        handle: the name used in prompts; must be the consent's. None takes the consent's.
        encoders: embedding spaces (``encoders.registry``); None takes all whose weights are on this machine.
        trusted: thumbprints of the keys whose signature on a consent counts; see ``ConsentRecord.verify``.
        now: the moment that counts for the consent; the clock's when None.
        progress: see ``Progress``.

    Raises:
        ConsentInvalid, ConsentExpired: the consent does not hold for this, now.
        ClipUnreadable, ClipTooShort, BadInput: the file cannot serve.
        NoFace, FaceTooSmall, SeveralPeople, NoSpeech: what is in it cannot serve.
        WeightsMissing: an encoder that was asked for is not on this machine.
    """
    tell = progress or (lambda stage, share: None)
    consent.verify(now=now, trusted=trusted, handle=handle)
    chosen = {modality: _encoders(modality, encoders) for modality in consent.scope}

    tell("reading the clip", 0.0)
    source = Clip.open(clip)
    faces = find_faces(source, lambda share: tell("looking for the face", 0.05 + 0.55 * share))
    tell("telling people apart", 0.6)
    looks = find_subject(faces, source)
    heard = _heard(source) if "voice" in consent.scope else None

    tell("learning the person", 0.75)
    # Without consent for the face, nothing that is kept of the body has seen one.
    bodies = looks if "face" in consent.scope else tuple(map(hide_face, looks))
    seen = [
        *(_embed(looks, encoder) for encoder in chosen.get("face", ())),
        *(_embed(bodies, encoder) for encoder in chosen.get("body", ())),
    ]
    voices = [embed_voice(heard, encoder) for encoder in chosen["voice"]] if heard is not None else []
    tell("done", 1.0)
    return Identity(
        identity_id=str(uuid4()),
        consent_id=consent.consent_id,
        handle=consent.handle,
        embeddings={embedding.space: embedding for embedding in (*seen, *voices)},
        crops=(
            *(_head(look) for look in (spread(looks, HEAD_CROPS) if "face" in chosen else ())),
            *(_body(look) for look in (spread(bodies, BODY_CROPS) if "body" in chosen else ())),
        ),
        speech=_speech(heard, voices),
        coverage=coverage(looks, heard, consent.scope),
        clip_sha256=source.sha256,
        created=now or datetime.now(UTC),
    )


def _encoders(modality: Modality, asked: Sequence[str] | None) -> list[Encoder]:
    """The encoders of one modality; asking for none of a modality the consent covers is a mistake, not a wish."""
    if asked is None:
        return [registry.get(space) for space in registry.default(modality)]
    found = [encoder for encoder in map(registry.get, asked) if encoder.card.modality == modality]
    if not found:
        raise BadInput(
            f"the consent covers the {modality} and none of the encoders asked for does: {', '.join(asked)}",
            hint=f"add one of {', '.join(registry.available(modality))}",
        )
    return found


def _embed(looks: Sequence[Look], encoder: Encoder) -> Embedding:
    views = spread(looks, _VIEWS[encoder.card.modality])
    return pool(
        encoder.card,
        encoder.encode(views),
        [view.second for view in views],
        [view.quality for view in views],
        [view.pose for view in views] if encoder.card.modality == "face" else None,
    )


def _head(look: Look) -> Crop:
    return Crop("head", head_crop(look.patch, look.landmarks), look.second, look.quality, look.pose)


def _body(look: Look) -> Crop:
    return Crop("body", body_crop(look.patch, look.box), look.second, look.quality, look.pose)


def _heard(source: Clip) -> Heard:
    hearing = listen(source.sound)
    return speech_of(hearing, source.sound if source.sound is not None else np.zeros(0, np.float32))


def _speech(heard: Heard | None, voices: Sequence[Embedding]) -> Speech | None:
    return best_speech(heard, voices[0] if voices else None) if heard is not None else None
