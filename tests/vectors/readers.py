"""How each type of vector is read here: by the functions that the commands call. Raises what they raise."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from joserfc.jwk import OKPKey

from cameo.errors import StatusListInvalid
from cameo.log.note import Verifier
from cameo.status import StatusList, StatusReader
from cameo.vault import Certificate, SignedGrant, Vault
from cameo.vault.checking import check_evidence, read_checkpoint
from cameo.vault.entries import Terms
from cameo.vault.grants import require_granted, require_narrower
from enroll.consent import ConsentRecord
from enroll.receipt import Receipt
from enroll.signature import thumbprint

__all__ = ["READERS", "content_of", "inputs_of", "read", "write_files"]

Inputs = Mapping[str, Any]


def inputs_of(group: Inputs, test: Inputs) -> dict[str, Any]:
    """The test's own inputs, and the group's where it has none. Of the three forms of one thing a test has one."""
    return {name: value for name, value in group.items() if name not in ("type", "tests")} | dict(test)


def content_of(inputs: Inputs) -> bytes:
    """What lies in the file."""
    if "base64" in inputs:
        return b64decode(inputs["base64"])
    return inputs["text"].encode() if "text" in inputs else json.dumps(inputs["document"]).encode()


def write_files(inputs: Inputs, folder: Path) -> None:
    for name, content in inputs["files"].items():
        (path := folder / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b64decode(content))


def read(type_: str, inputs: Inputs, folder: Path) -> None:
    """Raises a ``KitError`` when it does not hold. ``folder`` is empty and may be written to."""
    READERS[type_](inputs, folder)


def _file(inputs: Inputs, folder: Path) -> Path:
    (path := folder / "file").write_bytes(content_of(inputs))
    return path


def _trusted(inputs: Inputs) -> set[str]:
    return {thumbprint(OKPKey.import_key(jwk)) for jwk in inputs["trusted"]}


def _now(inputs: Inputs) -> datetime:
    return datetime.fromisoformat(inputs["now"])


def _consent(inputs: Inputs, folder: Path) -> None:
    record = ConsentRecord.load(_file(inputs, folder))
    record.verify(now=_now(inputs), trusted=_trusted(inputs), handle=inputs["handle"], request=inputs["request"])


def _receipt(inputs: Inputs, folder: Path) -> None:
    Receipt.load(_file(inputs, folder)).verify(_trusted(inputs))


def _signed_grant(inputs: Inputs, folder: Path) -> None:
    grant = SignedGrant.load(_file(inputs, folder))
    grant.verify(now=_now(inputs), audience=inputs["audience"], trusted=_trusted(inputs))


def _permits(inputs: Inputs, folder: Path) -> None:
    grants = {grant["principal"]: Terms.model_validate_json(json.dumps(grant)) for grant in inputs["grants"]}
    require_granted(grants, inputs["user"], inputs["purpose"], handle="ada", now=_now(inputs))


def _narrows(inputs: Inputs, folder: Path) -> None:
    consent = ConsentRecord.from_json(json.dumps(inputs["consent"]))
    for grant in inputs["grants"]:
        require_narrower(Terms.model_validate_json(json.dumps(grant)), consent)


def _status(inputs: Inputs, folder: Path) -> None:
    for known in inputs["known"]:
        (path := folder / "known").write_text(json.dumps(known))
        then = partial(datetime.fromisoformat, known["validFrom"])
        StatusReader(folder / "status", _trusted(inputs), clock=then).accept(StatusList.load(path))
    offered = StatusList.load(_file(inputs, folder))
    held = StatusReader(folder / "status", _trusted(inputs), clock=lambda: _now(inputs)).accept(offered)
    if "index" in inputs and held.standing(inputs["index"]) != inputs["standing"]:
        raise StatusListInvalid("the standing is another")


def _checkpoint(inputs: Inputs, folder: Path) -> None:
    read_checkpoint(_file(inputs, folder), Verifier.parse(inputs["verifierKey"]))


def _evidence(inputs: Inputs, folder: Path) -> None:
    since = None
    if inputs.get("since") is not None:
        (since := folder / "since").write_bytes(b64decode(inputs["since"]))
    check_evidence(_file(inputs, folder), Verifier.parse(inputs["verifierKey"]), since)


def _tiles(inputs: Inputs, folder: Path) -> None:
    write_files(inputs, folder)
    check_evidence(folder, Verifier.parse(inputs["verifierKey"]))


def _certificate(inputs: Inputs, folder: Path) -> None:
    Certificate.load(_file(inputs, folder)).verify(_trusted(inputs))


def _package(inputs: Inputs, folder: Path) -> None:
    vault = Vault(folder / "home", clock=lambda: _now(inputs))
    status = None
    if inputs["status"] is not None:
        (path := folder / "list").write_text(json.dumps(inputs["status"]))
        status = StatusList.load(path)
    (trust,) = _trusted(inputs)
    for content in [*map(b64decode, inputs["taken"]), content_of(inputs)]:
        vault.take(content, inputs["passphrase"], trust=trust, status=status)


READERS: Final[dict[str, Callable[[Inputs, Path], None]]] = {
    "ConsentVerify": _consent,
    "ConsentRequest": _consent,
    "ReceiptVerify": _receipt,
    "SignedGrantVerify": _signed_grant,
    "GrantPermits": _permits,
    "GrantNarrows": _narrows,
    "StatusListAccept": _status,
    "Checkpoint": _checkpoint,
    "Inclusion": _evidence,
    "Consistency": _evidence,
    "Tiles": _tiles,
    "CertificateVerify": _certificate,
    "CertificateInLog": _evidence,
    "PackageTake": _package,
}
