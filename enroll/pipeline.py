"""The whole way from a clip and a consent to an Identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from enroll.alignment import body_crop, head_crop
from enroll.body import hide_face
from enroll.clip import Clip
from enroll.consent import ConsentRecord
from enroll.coverage import coverage
from enroll.encoders import registry
from enroll.encoders.base import Encoder
from enroll.encoders.memo import Memo
from enroll.errors import BadInput
from enroll.examination import examine
from enroll.findings import Findings
from enroll.identity import Crop, Embedding, Identity, Modality
from enroll.looks import Look, spread
from enroll.pooling import pool
from enroll.threads import single_threaded
from enroll.voice import best_speech, embed_voice

__all__ = ["Onlooker", "Progress", "enroll"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""
Onlooker = Callable[[Findings], None]
"""Called once with all that was found, whether somebody is enrolled or nobody is."""

HEAD_CROPS, BODY_CROPS = 4, 2
_VIEWS: dict[Modality, int] = {"face": 8, "body": 4}
# The space whose distances tell people apart within a clip.
_TELLING = "dlib-resnet-128"


def enroll(
    clip: str | Path,
    consent: ConsentRecord,
    *,
    handle: str | None = None,
    encoders: Sequence[str] | None = None,
    subject: int | None = None,
    trust_voice: bool = False,
    trusted: Collection[str] | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
    onlooker: Onlooker | None = None,
) -> Identity:
    """Learns the one person in a clip, as far as their consent goes.

    Args:
        clip: a video file.
        consent: what the person agreed to; verified before the clip is opened. Its scope decides what is learnt. A
            request will do if the clip meets its challenge; ``ConsentRecord.fulfil`` then makes a consent of it, with
            ``Findings.liveness``.
        handle: the name used in prompts; must be the consent's. None takes the consent's.
        encoders: embedding spaces (``encoders.registry``); None takes all whose weights are on this machine and whose
            licence is one this home works under (``registry.default``).
        subject: which of several people it is, counted from the left; None when the clip is to say so itself.
        trust_voice: where one person is seen and one voice heard, and whether the mouth makes it cannot be seen, the
            voice is left out; True learns it all the same, on the word of whoever says so.
        trusted: thumbprints of the keys whose signature on a consent counts; see ``ConsentRecord.verify``.
        now: the moment that counts for the consent; the clock's when None.
        progress: see ``Progress``.
        onlooker: see ``Onlooker``.

    Raises:
        ConsentInvalid, ConsentExpired: the consent does not hold for this, now.
        ChallengeFailed: the consent is a request, and the clip does not meet its challenge.
        ClipUnreadable, ClipTooShort, BadInput: the file cannot serve.
        NoFace, FaceTooSmall, FaceCovered, SeveralPeople, NoSpeech: what is in it cannot serve.
        WeightsMissing: an encoder that was asked for is not on this machine.
    """
    tell = progress or (lambda stage, share: None)
    moment = now or datetime.now(UTC)
    consent.verify(now=moment, trusted=trusted, handle=handle, request=True)
    chosen = {modality: _encoders(modality, encoders) for modality in consent.scope}

    tell("reading the clip", 0.0)
    faces = Memo(registry.get(_TELLING))
    with single_threaded(), Clip.opened(clip) as source:
        findings = examine(
            source,
            faces,
            scope=consent.scope,
            subject=subject,
            trust_voice=trust_voice,
            challenge=consent.challenge if consent.awaits_answer(moment) else None,
            now=moment,
            tell=lambda stage, share: tell(stage, 0.05 + 0.75 * share),
        )
        if onlooker is not None:
            onlooker(findings)
        if findings.refusal is not None:
            raise findings.refusal
        if consent.assurance == "requested":
            consent.require_met(findings.liveness)
        tell("learning the person", 0.8)
        identity = _learn(findings, consent, chosen, faces, moment)
    tell("done", 1.0)
    return identity


def _learn(
    findings: Findings,
    consent: ConsentRecord,
    chosen: Mapping[Modality, Sequence[Encoder]],
    faces: Memo,
    now: datetime,
) -> Identity:
    """What is kept of the subject of findings that refuse nothing."""
    person, heard = findings.subject, findings.heard
    looks = person.looks if person is not None else ()
    # Without consent for the face, nothing that is kept of the body has seen one.
    bodies = looks if "face" in consent.scope else tuple(map(hide_face, looks))
    with ThreadPoolExecutor(2) as pool:
        voices = pool.submit(lambda: [embed_voice(heard, one) for one in chosen["voice"]] if heard is not None else [])
        dressed = pool.submit(lambda: [_embed(bodies, encoder) for encoder in chosen.get("body", ())])
        seen = [_embed(looks, faces if one.card.space == _TELLING else one) for one in chosen.get("face", ())]
    spoken = voices.result()
    return Identity(
        identity_id=str(uuid4()),
        consent_id=consent.consent_id,
        handle=consent.handle,
        embeddings={embedding.space: embedding for embedding in (*seen, *dressed.result(), *spoken)},
        crops=(
            *(_head(look) for look in (spread(looks, HEAD_CROPS) if "face" in chosen else ())),
            *(_body(look) for look in (spread(bodies, BODY_CROPS) if "body" in chosen else ())),
        ),
        speech=best_speech(heard, spoken[0] if spoken else None) if heard is not None else None,
        coverage=coverage(person, heard, findings.hearing, consent.scope),
        clip_sha256=findings.clip.sha256,
        created=now,
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
