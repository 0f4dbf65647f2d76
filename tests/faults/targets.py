"""What reads what strangers hand in: for each kind its seeds, how it is read, and how it is changed.

``TARGETS`` has one function for each, which gets an empty folder to write in.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

from joserfc.jwk import OKPKey
from pydantic import BaseModel

from cameo.errors import InputRefused
from cameo.log.checkpoint import Checkpoint
from cameo.log.note import Verifier
from cameo.log.tiles import pack, unpack
from cameo.status import Bitstring, StatusList
from cameo.vault import Certificate, SignedGrant, Vault
from cameo.vault.checking import check_evidence
from cameo.vault.entries import Summary
from cameo.vault.package import unpack as open_package
from enroll.consent import ConsentRecord
from enroll.errors import KitError
from enroll.identity import Identity
from enroll.receipt import Receipt
from enroll.signature import thumbprint
from tests.faults.mutations import Members, changed_bytes, changed_json, changed_lines, spelled, tree_of
from tests.vectors.files import FOLDER
from tests.vectors.forge import OPERATOR, Json, b64u, jwe, note
from tests.vectors.kinds import certificates, consents, packages, receipts, signed_grants, statuses
from tests.vectors.kinds.logs import ENTRIES, ORIGIN
from tests.vectors.readers import content_of, inputs_of

__all__ = ["TARGETS", "Target"]

Change = Callable[[Random, bytes, bytes], bytes]
"""Of a chance, a seed and another seed."""

_TRUSTED: Final = {thumbprint(OKPKey.import_key(OPERATOR.jwk))}
_NOW: Final = datetime.fromisoformat(consents.NOW)
_VERIFIER: Final = Verifier.parse(OPERATOR.vkey(ORIGIN))


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        read: what the product does with it; gives what it means, and raises a ``KitError`` for what it refuses.
        changed: a mutation that a stranger can make.
        resealed: one that somebody can make who is trusted; None where nothing is signed.
        free: nothing is signed, and it may mean what it will.
    """

    name: str
    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    changed: Change
    resealed: Change | None = None
    free: bool = False


def _consent(folder: Path) -> Target:
    def read(content: bytes) -> object:
        record = ConsentRecord.from_json(content)
        record.verify(now=_NOW, trusted=_TRUSTED, handle="ada", request=True)
        assert ConsentRecord.from_json(record.to_json()) == record
        # A request can be agreed to by anybody, until it is attested.
        later = {"signature", "agreement"} if record.assurance == "requested" else {"signature"}
        return _said(record, later)

    def sign(document: Json) -> Json:
        return consents.signed(consents.agreed(document) if document.get("agreement") else document)

    seeds = _valid("consent")
    return Target("consent", seeds, read, _json, partial(_signed_again, sign))


def _receipt(folder: Path) -> Target:
    def read(content: bytes) -> object:
        (path := folder / "receipt").write_bytes(content)
        receipt = Receipt.load(path)
        receipt.verify(_TRUSTED)
        return _said(receipt)

    return Target("receipt", _valid("receipt"), read, _json, partial(_signed_again, receipts.signed))


def _signed_grant(folder: Path) -> Target:
    def read(content: bytes) -> object:
        (path := folder / "grant").write_bytes(content)
        grant = SignedGrant.load(path)
        grant.verify(now=datetime.fromisoformat(signed_grants.NOW), trusted=_TRUSTED)
        return _said(grant)

    return Target("signed-grant", _valid("signed-grant"), read, _json, partial(_signed_again, signed_grants.signed))


def _status_list(folder: Path) -> Target:
    def read(content: bytes) -> object:
        found = StatusList.from_json(content)
        found.verify(_TRUSTED)
        found.require_in_force(_NOW)
        return _said(found), found.standing(statuses.GONE)

    return Target("status-list", _valid("status-list"), read, _json, partial(_signed_again, statuses.signed))


def _bitstring(folder: Path) -> Target:
    lists = [statuses.status_list(gone=gone) for gone in ((), (7,), range(0, 131_072, 5))]
    seeds = [listed["credentialSubject"][0]["encodedList"].encode() for listed in lists]

    def unpacked(chance: Random, content: bytes, other: bytes) -> bytes:
        packed, another = (base64.urlsafe_b64decode(text[1:] + b"==") for text in (content, other))
        return b"u" + b64u(changed_bytes(chance, packed, another)).encode()

    def changed(chance: Random, content: bytes, other: bytes) -> bytes:
        return (unpacked if chance.random() < 0.7 else changed_bytes)(chance, content, other)

    def read(content: bytes) -> object:
        return len(Bitstring.decode(content.decode(errors="replace")))

    return Target("bitstring", seeds, read, changed, free=True)


def _evidence(kind: str, name: str, folder: Path) -> Target:
    """Proofs of inclusion and of growth: their own lines changed, or the checkpoint's text, signed again."""

    def read(content: bytes) -> object:
        (path := folder / "evidence").write_bytes(content)
        return check_evidence(path, _VERIFIER)

    def resealed(chance: Random, content: bytes, other: bytes) -> bytes:
        (above, signed), (others, _) = content.split(b"\n\n", 1), other.split(b"\n\n", 1)
        if chance.random() < 0.5:
            return changed_lines(chance, above, others) + b"\n\n" + signed
        return above + b"\n\n" + _note_again(chance, signed, signed)

    return Target(name, _valid(kind), read, changed_lines, resealed)


def _checkpoint(folder: Path) -> Target:
    def read(content: bytes) -> object:
        return Checkpoint.open(content, _VERIFIER)

    return Target("checkpoint", _valid("checkpoint"), read, changed_lines, _note_again)


def _verifier_key(folder: Path) -> Target:
    seeds = [OPERATOR.vkey(ORIGIN).encode(), OPERATOR.vkey("other.example/log").encode()]

    def read(content: bytes) -> object:
        text = content.decode(errors="replace")
        assert str(Verifier.parse(text)) == text
        return None

    return Target("verifier-key", seeds, read, changed_bytes, free=True)


def _tiles(folder: Path) -> Target:
    """A seed is JSON: base64 by path, as in the vectors. The paths stay."""
    seeds = [json.dumps(files).encode() for files in _valid_files()]
    names = sorted({name for seed in seeds for name in json.loads(seed)})

    def read(content: bytes) -> object:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        for name, inside in json.loads(content).items():
            (path := folder / name).parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(inside))
        return check_evidence(folder, _VERIFIER)

    def changed(chance: Random, content: bytes, other: bytes, again: bool = False) -> bytes:
        files, others = json.loads(content), json.loads(other)
        name = "checkpoint" if again else chance.choice(sorted(files))
        inside, another = (base64.b64decode(of.get(name, "")) for of in (files, others))
        if again:
            made = _note_again(chance, inside, another)
        elif chance.random() < 0.1:
            files = {n: c for n, c in files.items() if n != name}
            name, made = chance.choice(names), inside
        else:
            made = (changed_lines if name == "checkpoint" else changed_bytes)(chance, inside, another)
        return json.dumps(files | {name: base64.b64encode(made).decode()}).encode()

    return Target("tiles", seeds, read, changed, partial(changed, again=True))


def _entry_bundle(folder: Path) -> Target:
    def read(content: bytes) -> object:
        assert pack(unpack(content, 3)) == content
        return None

    seeds = [pack(ENTRIES[:3]), pack([b"", b"x", bytes(65_535)])]
    return Target("entry-bundle", seeds, read, changed_bytes, free=True)


def _certificate(folder: Path) -> Target:
    def read(content: bytes) -> object:
        (path := folder / "certificate").write_bytes(content)
        certificate = Certificate.load(path)
        certificate.verify(_TRUSTED)
        if certificate.logged:
            check_evidence(path, _VERIFIER)
        return _said(certificate)

    return Target("certificate", _valid("certificate"), read, _json, partial(_signed_again, certificates.signed))


def _identity(folder: Path) -> Target:
    def read(content: bytes) -> object:
        identity = Identity.from_bytes(content)
        again = Identity.from_bytes(identity.to_bytes())
        assert repr(again) == repr(identity) and again.coverage == identity.coverage
        return Summary.of(identity, "Ada").model_dump_json()

    return Target("identity", _identities(), read, _identity_changed, free=True)


def _package(folder: Path) -> Target:
    """The outside changed by a stranger; and head or identity by the home it comes from, sealed again."""
    insides = [packages.inside(packages.head(content), content) for content in _identities()]
    sealed = {jwe(inside, packages.WORDS, rounds=1): inside for inside in insides}

    def read(content: bytes) -> object:
        head, identity = open_package(content, packages.WORDS)
        head.require_whole(identity, _TRUSTED)
        return _said(head)

    def changed(chance: Random, content: bytes, other: bytes) -> bytes:
        if chance.random() < 0.5:
            return changed_bytes(chance, content, other)
        parts, others = content.split(b"."), other.split(b".")
        at = chance.randrange(len(parts))
        if at == 0:
            words = _text(changed_json(chance, *(base64.urlsafe_b64decode(p[0] + b"==") for p in (parts, others))))
        else:
            words = changed_bytes(chance, *(base64.urlsafe_b64decode(p[at] + b"==") for p in (parts, others)))
        return b".".join([*parts[:at], b64u(words).encode(), *parts[at + 1 :]])

    def resealed(chance: Random, content: bytes, other: bytes) -> bytes:
        return jwe(_inside_changed(chance, sealed[content], sealed[other]), packages.WORDS, rounds=1)

    return Target("package", list(sealed), read, changed, resealed)


def _taking(folder: Path) -> Target:
    """The same, all the way into a vault."""
    target = _package(folder)
    status = StatusList.from_json(json.dumps(statuses.signed(statuses.status_list())).encode())
    homes = iter(range(10**9))
    vault = Vault(folder / "home", clock=lambda: _NOW)

    def read(content: bytes) -> object:
        nonlocal vault
        entry = vault.take(content, packages.WORDS, trust=OPERATOR.thumbprint, status=status)
        # Whoever came in can be shown and asked for, and must not be in the way of the next.
        try:
            told = vault.show(entry.handle)
            vault.may(entry.handle, prompt="somebody in a park")
        except KitError as error:
            raise AssertionError(f"taken in, and then: {error.message}") from error
        finally:
            vault = Vault(folder / f"home{next(homes)}", clock=lambda: _NOW)
        return told.handle, told.terms, told.rules

    assert target.resealed is not None
    return Target("taking", target.seeds, read, target.changed, target.resealed)


def _scene(folder: Path) -> Target:
    """A marked scene: its bytes changed, or its assertion, signed again. Of other bytes in every run."""
    from cameo.marks import read as read_marks
    from tests.faults.scenes import CAST, marked, plain

    scene = plain(folder)
    authority, seed = marked(scene, folder, CAST)

    def read(content: bytes) -> object:
        (path := folder / "scene.mp4").write_bytes(content)
        manifest = read_marks(path, trusted=(authority.root,))
        if manifest.state in ("Invalid", "absent"):
            raise InputRefused(f"the manifest is {manifest.state}")
        return manifest

    def changed(chance: Random, content: bytes, other: bytes) -> bytes:
        # Nearly all of what is read here is in the box of the manifest store.
        begin = content.index(b"jumb") - 4
        end = begin + int.from_bytes(content[begin : begin + 4], "big")
        if chance.random() < 0.2:
            return changed_bytes(chance, content, other)
        return content[:begin] + changed_bytes(chance, content[begin:end], content[begin:end]) + content[end:]

    def resealed(chance: Random, content: bytes, other: bytes) -> bytes:
        words = json.dumps(CAST)
        try:
            told = json.loads(spelled(changed_json(chance, words, words)))
            return marked(scene, folder, told)[1]
        except (ValueError, TypeError, RecursionError, InputRefused):
            return content

    return Target("scene", [seed], read, changed, resealed)


def _manifest(folder: Path) -> Target:
    """What the C2PA library says of a file, as JSON: much of it is whatever the file's author wrote."""
    from cameo.marks.c2pa import _manifest as manifest_of
    from tests.faults.scenes import CAST, marked, plain, store_of

    authority, scene = marked(plain(folder), folder, CAST)
    seeds = [json.dumps(store_of(scene, folder, authority)).encode()]

    def read(content: bytes) -> object:
        return manifest_of(content.decode("utf-8", "surrogatepass"))

    def changed(chance: Random, content: bytes, other: bytes) -> bytes:
        return _text(changed_json(chance, content, other))

    return Target("manifest", seeds, read, changed, free=True)


TARGETS: Final[Mapping[str, Callable[[Path], Target]]] = {
    "consent": _consent,
    "receipt": _receipt,
    "signed-grant": _signed_grant,
    "status-list": _status_list,
    "bitstring": _bitstring,
    "inclusion": partial(_evidence, "inclusion", "inclusion"),
    "consistency": partial(_evidence, "consistency", "consistency"),
    "checkpoint": _checkpoint,
    "verifier-key": _verifier_key,
    "tiles": _tiles,
    "entry-bundle": _entry_bundle,
    "certificate": _certificate,
    "identity": _identity,
    "package": _package,
    "taking": _taking,
    "scene": _scene,
    "manifest": _manifest,
}


def _groups(kind: str) -> list[Json]:
    groups: list[Json] = json.loads((FOLDER / f"{kind}.json").read_text())["testGroups"]
    return groups


def _valid_inputs(kind: str) -> list[Mapping[str, Any]]:
    """The valid vectors that are so under the inputs of their group."""
    told = {"tcId", "comment", "flags", "result", "document", "text", "base64", "files"}
    return [
        inputs_of(group, test)
        for group in _groups(kind)
        for test in group["tests"]
        if test["result"] == "valid" and set(test) <= told
    ]


def _valid(kind: str) -> list[bytes]:
    return sorted({content_of(inputs) for inputs in _valid_inputs(kind)})


def _valid_files() -> list[dict[str, str]]:
    return [inputs["files"] for inputs in _valid_inputs("tiles")]


def _said(document: BaseModel, later: Collection[str] = ("signature",)) -> str:
    """In whatever order."""
    return json.dumps(document.model_dump(mode="json", exclude=set(later)), sort_keys=True)


def _text(tree: Any) -> bytes:
    return spelled(tree).encode("utf-8", "surrogatepass")


def _json(chance: Random, content: bytes, other: bytes) -> bytes:
    if chance.random() < 0.3:
        return changed_bytes(chance, content, other)
    return _text(changed_json(chance, content, other))


def _signed_again(sign: Callable[[Json], Json], chance: Random, content: bytes, other: bytes) -> bytes:
    """Changed, and under a signature that holds, where there can be one."""
    tree = changed_json(chance, content, other)
    return _text(_with_signature(sign, tree))


def _with_signature(sign: Callable[[Json], Json], tree: Any) -> Any:
    try:
        signed = sign(json.loads(spelled(tree)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return tree
    fresh = {name: signed[name] for name in ("signature", "agreement") if name in signed}
    return Members((name, fresh.get(name, value)) for name, value in tree)


def _note_again(chance: Random, content: bytes, other: bytes) -> bytes:
    """The text of a note changed and signed, by its log."""
    text = changed_lines(chance, content.rpartition(b"\n\n")[0] + b"\n", other.rpartition(b"\n\n")[0] + b"\n")
    return note(text.decode("utf-8", "replace"), ORIGIN)


def _identities() -> list[bytes]:
    """A voice alone, and everything there can be."""
    view = {"second": 0.5, "quality": 0.75, "pose": [1.0, -2.5, 0.0]}
    face = {"modality": "face", "quality": 0.5, "seconds": None, "spread": 0.25, "views": [view, view]}
    vectors = struct.pack("<12f", *(n / 8 for n in range(12)))
    tensors = {
        "embedding/dlib-resnet-128/vector": ("F32", [4], vectors[:16]),
        "embedding/dlib-resnet-128/views": ("F32", [2, 4], vectors[16:]),
        "crop/0": ("U8", [128, 128, 3], bytes(range(256)) * 192),
        "speech": ("F32", [12], vectors),
    }
    alone = packages.identity()
    told = json.loads(_metadata(alone)["identity"])
    told |= {"embeddings": {"dlib-resnet-128": face}, "crops": [view | {"kind": "head"}]}
    told["coverage"] |= {"yaw": [-20.0, 30.0], "pitch": [-5.0, 5.0], "advice": ["Turn further."]}
    return [alone, packages.stored(told, tensors)]


def _header(blob: bytes) -> tuple[bytes, bytes]:
    length = 8 + int.from_bytes(blob[:8], "little")
    return blob[8:length], blob[length:]


def _metadata(blob: bytes) -> Json:
    found: Json = json.loads(_header(blob)[0])["__metadata__"]
    return found


def _identity_changed(chance: Random, content: bytes, other: bytes) -> bytes:
    """Bytes anywhere, the library's header, or what we wrote into it."""
    way = chance.random()
    if way < 0.2:
        return changed_bytes(chance, content, other)
    (words, body), (others, _) = _header(content), _header(other)
    if way < 0.5:
        made = _text(changed_json(chance, words, others))
    else:
        told = changed_json(chance, _metadata(content)["identity"], _metadata(other)["identity"])
        tree = dict(tree_of(words))
        tree["__metadata__"] = Members([*dict(tree["__metadata__"], identity=spelled(told)).items()])
        made = _text(Members(tree.items()))
    return len(made).to_bytes(8, "little") + made + body


def _inside_changed(chance: Random, content: bytes, other: bytes) -> bytes:
    if chance.random() < 0.1:
        return changed_bytes(chance, content, other)
    (words, identity), (others, another) = (_parted(inside) for inside in (content, other))
    if chance.random() < 0.4:
        identity = _identity_changed(chance, identity, another)
        tree = tree_of(words)
    else:
        tree = changed_json(chance, words, others)
    if isinstance(tree, Members):
        fresh = {"identity_sha256": sha256(identity).hexdigest()} if chance.random() < 0.9 else {}
        if chance.random() < 0.2:
            consent = json.dumps(consents.signed(consents.attested()))
            changed = _signed_again(consents.signed, chance, consent.encode(), consent.encode())
            fresh["consent"] = changed.decode("utf-8", "replace")
        tree = Members((name, fresh.get(name, value)) for name, value in tree)
    spelled_again = _text(_with_signature(receipts.signed, tree))
    return len(spelled_again).to_bytes(4, "big") + spelled_again + identity


def _parted(inside: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(inside[:4], "big")
    return inside[4:end], inside[end:]
