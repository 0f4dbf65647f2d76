"""C2PA manifests: what a scene says of itself, signed (C2PA specification 2.1, through c2pa-python).

Every scene says that a trained model made it, and in an assertion of our own whose likeness is in it: not by name or
handle, but by the id of the consent, a salted hash only this home can trace to a person, and one that whoever holds the
consent's receipt can check.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, Any, Final, Literal

import c2pa
import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cameo.marks.authority import Authority
from cameo.marks.claimed import claims_too_much

__all__ = [
    "CAST_LABEL",
    "CastAssertion",
    "Manifest",
    "Person",
    "State",
    "StatusEntry",
    "cast_assertion",
    "embed",
    "read",
    "try_signing",
]

CAST_LABEL = "org.cameo-kit.cast"

State = Literal["Trusted", "Valid", "Invalid", "absent"]
"""C2PA's own words: Trusted (whole, signer trusted here), Valid (whole, signer unknown here), Invalid (changed since);
absent where there is no manifest at all."""

_SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_FORMAT: Final = "video/mp4"
_TRIAL_FORMAT: Final = "image/png"


_DIGEST: Final = r"^[0-9a-f]{64}$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StatusEntry(_Model):
    """Where to look up how a person stands: two words that mean nothing without the list (see ``cameo.status``).

    Attributes:
        index: theirs.
        list: the id of the signed status list.
    """

    index: int = Field(ge=0)
    list: str = Field(max_length=256)


class Person(_Model):
    """One person of the cast.

    Attributes:
        cameo_id: hex SHA-256 of the assertion's salt and the identity id. Two scenes of one person share nothing here.
        consent_id: the consent the scene was made under.
        consent_hash: hex SHA-256 of the salt and that consent's digest, which its receipt has: whoever holds the
            receipt sees that it was this one, to the letter. None in scenes of versions 1 and 2.
        status: None in scenes made before there was a status list.
    """

    cameo_id: str = Field(pattern=_DIGEST)
    consent_id: str = Field(max_length=64)
    consent_hash: str | None = Field(default=None, pattern=_DIGEST)
    status: StatusEntry | None = None


class CastAssertion(_Model):
    """The assertion ``org.cameo-kit.cast``. Version 1 knew no ``status``, version 2 no hashes of consents, adapter and
    LoRAs.

    Attributes:
        salt: of the opaque ids and hashes, drawn for this scene.
        people: the cast.
        model: name of the generator.
        adapter: hex SHA-256 of the identity adapter's weights; None without one.
        loras: likewise of every LoRA that took part, but for people's own.
        seed: of all noise.
    """

    version: Literal[1, 2, 3] = 3
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    people: tuple[Person, ...] = Field(max_length=64)
    model: str = Field(max_length=256)
    adapter: str | None = Field(default=None, pattern=_DIGEST)
    loras: tuple[Annotated[str, Field(pattern=_DIGEST)], ...] = Field(default=(), max_length=16)
    seed: int

    def under(self, digest: str) -> Person | None:
        """Whose consent has this digest, if it is somebody's in the scene."""
        hashed = _opaque(self.salt, digest)
        return next((one for one in self.people if secrets.compare_digest(one.consent_hash or "", hashed)), None)

    def is_of(self, identity_id: str) -> Person | None:
        """The entry of an identity this home knows, if it is in the scene."""
        opaque = _opaque(self.salt, identity_id)
        return next((person for person in self.people if secrets.compare_digest(person.cameo_id, opaque)), None)


class Manifest(_Model):
    """What a file says of itself, and whether that can be believed.

    Attributes:
        state: see ``State``.
        problems: the codes of what failed to verify, as C2PA names them.
        signer: common name in the signer's certificate.
        generator: name and version of what made the file.
        cast: our assertion; None where there is none or it cannot be read. Believe it only if ``state`` is Trusted.
    """

    state: State
    problems: tuple[str, ...] = ()
    signer: str | None = None
    generator: str | None = None
    cast: CastAssertion | None = None


def cast_assertion(
    people: Mapping[str, str],
    *,
    model: str,
    seed: int,
    statuses: Mapping[str, StatusEntry] | None = None,
    consents: Mapping[str, str] | None = None,
    adapter: str | None = None,
    loras: Sequence[str] = (),
) -> CastAssertion:
    """The assertion for a new scene, freshly salted.

    Args:
        people: consent id by identity id.
        model: the backbone's name.
        seed: the scene's.
        statuses: where each is looked up, by identity id; those who are not among them have none.
        consents: likewise the digest of each one's consent.
        adapter: hex SHA-256 of the adapter's weights; ``loras`` likewise.
    """
    salt = secrets.token_hex(16)
    found, digests = statuses or {}, consents or {}
    entries = (
        Person(
            cameo_id=_opaque(salt, identity),
            consent_id=consent,
            consent_hash=_opaque(salt, digests[identity]) if identity in digests else None,
            status=found.get(identity),
        )
        for identity, consent in people.items()
    )
    return CastAssertion(salt=salt, people=tuple(entries), model=model, adapter=adapter, loras=tuple(loras), seed=seed)


def embed(source: Path, target: Path, cast: CastAssertion, authority: Authority, *, version: str) -> None:
    """Write ``source``, an MP4, to ``target`` with a signed manifest, and read it back to be sure.

    Raises:
        RuntimeError: what was written does not verify (a fault of this program or of the library).
    """
    manifest = {
        "claim_generator_info": [{"name": "Cameo", "version": version}],
        "assertions": [
            _created(),
            {"label": CAST_LABEL, "data": cast.model_dump(mode="json", exclude_none=True)},
        ],
    }
    with source.open("rb") as plain, target.open("w+b") as marked:
        _sign(manifest, authority, _FORMAT, plain, marked)
    found = read(target, trusted=(authority.root,))
    if found.state != "Trusted" or found.cast != cast:
        raise RuntimeError(f"the manifest just written reads back as {found.state}: {', '.join(found.problems)}")


def try_signing(authority: Authority) -> Manifest:
    """What a picture of one grey pixel says when it was signed: whether scenes could be.

    Raises:
        c2pa.C2paError: the library does not sign with this certificate.
    """
    _, pixel = cv2.imencode(".png", np.full((1, 1, 3), 128, np.uint8))
    marked = BytesIO()
    manifest = {"claim_generator_info": [{"name": "Cameo"}], "assertions": [_created()]}
    _sign(manifest, authority, _TRIAL_FORMAT, BytesIO(pixel.tobytes()), marked)
    marked.seek(0)
    return _read(_TRIAL_FORMAT, marked, (authority.root,))


def read(path: Path, *, trusted: tuple[str, ...] = ()) -> Manifest:
    """The manifest of an MP4.

    Args:
        path: the file.
        trusted: root certificates, PEM.
    """
    with path.open("rb") as file:
        if claims_too_much(file):
            return Manifest(state="Invalid", problems=("cameo.manifest.lengths",))
        return _read(_FORMAT, file, trusted)


def _sign(manifest: dict[str, Any], authority: Authority, kind: str, plain: IO[bytes], marked: IO[bytes]) -> None:
    info = c2pa.C2paSignerInfo(authority.algorithm, authority.chain.encode(), authority.key.encode(), None)
    with (
        c2pa.Context.from_dict(_settings(authority.root), signer=c2pa.Signer.from_info(info)) as context,
        c2pa.Builder(manifest, context) as builder,
    ):
        builder.sign(kind, plain, marked)


def _read(kind: str, file: IO[bytes], trusted: tuple[str, ...]) -> Manifest:
    with c2pa.Context.from_dict(_settings(*trusted)) as context:
        try:
            with c2pa.Reader(kind, file, context=context) as reader:
                return _manifest(reader.json())
        except c2pa.C2paError.ManifestNotFound:
            return Manifest(state="absent")
        except c2pa.C2paError as error:
            # The manifest store itself is broken: the library gives up before it has a state to report.
            return Manifest(state="Invalid", problems=(str(error).split(":")[0],))


def _created() -> dict[str, Any]:
    actions = [{"action": "c2pa.created", "digitalSourceType": _SOURCE_TYPE}]
    return {"label": "c2pa.actions", "data": {"actions": actions}}


def _manifest(content: str) -> Manifest:
    """Of the library's report, much of which is what the author of the file wrote."""
    try:
        return _told(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Manifest(state="Invalid", problems=("cameo.report.malformed",))


def _told(store: dict[str, Any]) -> Manifest:
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    failures = store.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    generator: dict[str, Any] = next(iter(active.get("claim_generator_info", [])), {})
    return Manifest(
        state=store.get("validation_state", "Invalid"),
        problems=tuple(failure["code"] for failure in failures),
        signer=active.get("signature_info", {}).get("common_name"),
        generator=" ".join(str(generator[key]) for key in ("name", "version") if key in generator) or None,
        cast=_cast(active.get("assertions", [])),
    )


def _cast(assertions: list[dict[str, Any]]) -> CastAssertion | None:
    data = [assertion.get("data") for assertion in assertions if assertion.get("label") == CAST_LABEL]
    try:
        return CastAssertion.model_validate(data[0]) if len(data) == 1 else None
    except ValidationError:
        return None


def _opaque(salt: str, name: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + name.encode()).hexdigest()


def _settings(*roots: str) -> dict[str, Any]:
    """Nothing is fetched: neither remote manifests nor revocation lists. What is signed is read back by us, once."""
    settings: dict[str, Any] = {
        "version": 1,
        "verify": {
            "verify_trust": True,
            "verify_after_sign": False,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }
    if roots:
        settings["trust"] = {"trust_anchors": "".join(roots)}
    return settings
