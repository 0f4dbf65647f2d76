"""A person on the way from one home to another: one encrypted, signed file, ``.cameo``.

The outside is a compact JWE (RFC 7516): a key is made of a passphrase (PBES2-HS512+A256KW, RFC 7518 §4.8, 250,000
rounds) and seals the inside with A256GCM. The inside is ``length ‖ head ‖ identity``: the head says whose it is, under
which consent, grants and rules, and where its status is looked up; it is signed by the home it comes from, and holds
the SHA-256 of the identity behind it. Without the passphrase the file says nothing but how long it is.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, Self

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey, OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cameo.errors import PackageInvalid, UsageError
from cameo.rules import rule
from cameo.vault.entries import Terms
from enroll.consent import ConsentRecord
from enroll.documents import complaint, parse, signer_of
from enroll.fields import Moment
from enroll.signature import sign

__all__ = ["MAX_BYTES", "Head", "pack", "unpack"]

MAX_BYTES: Final = 64 * 1024 * 1024
LEAST_PASSPHRASE: Final = 14
_ROUNDS: Final = 250_000
_ALGORITHMS: Final = ["PBES2-HS512+A256KW", "A256GCM"]
_HEAD_BYTES: Final = 256 * 1024


class _Registry(jwe.JWERegistry):
    # The library's own bound is for tokens.
    max_ciphertext_length = MAX_BYTES


class Head(BaseModel):
    """What a package says of the identity in it.

    Attributes:
        exported: when, UTC.
        issuer: thumbprint of the operator whose status list counts for it, which is the one the consent is signed by.
        status_index: where in that list.
        consent: the record, as JSON.
        grants: every answer given; the owner is not among them.
        rules: what the person never appears in, beside what their consent says.
        identity_sha256: of the identity behind the head, hex.
        signature: of the home it comes from; see ``enroll.signature``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["cameo-package/1"] = "cameo-package/1"
    exported: Moment
    issuer: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")
    status_index: int = Field(ge=0, lt=2**31)
    consent: str = Field(max_length=65536)
    grants: tuple[Terms, ...] = Field(max_length=256)
    rules: tuple[str, ...] = Field(max_length=256)
    identity_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str | None = Field(default=None, max_length=1024)

    @field_validator("rules")
    @classmethod
    def _as_they_are_kept(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for words in rules:
            try:
                kept = rule(words)
            except UsageError as error:
                raise ValueError(error.message) from None
            if kept != words:
                raise ValueError("a rule is in small letters and single blanks, without never before it")
        return rules

    @classmethod
    def of(
        cls,
        consent: ConsentRecord,
        identity: bytes,
        *,
        issuer: str,
        status_index: int,
        grants: Collection[Terms],
        rules: Collection[str],
        now: datetime,
        key: OKPKey,
    ) -> Self:
        """Signed with the exporting home's key."""
        head = cls(
            exported=now,
            issuer=issuer,
            status_index=status_index,
            consent=consent.to_json(),
            grants=tuple(grants),
            rules=tuple(rules),
            identity_sha256=sha256(identity).hexdigest(),
        )
        return head.model_copy(update={"signature": sign(head._signed(), key)})

    def require_whole(self, identity: bytes, trusted: Collection[str]) -> None:
        """
        Raises:
            PackageInvalid: unsigned, signed by a stranger, or over another identity.
        """
        signer = signer_of(self._signed(), self.signature, "the package", PackageInvalid)
        if signer != self.issuer or signer not in trusted:
            raise PackageInvalid(
                f"the package comes from {signer}, whom nobody here trusts",
                hint=f"if you know that home: cameo import … --trust {signer}",
            )
        if not hmac.compare_digest(sha256(identity).hexdigest(), self.identity_sha256):
            raise PackageInvalid("the package holds another identity than it says")

    def _signed(self) -> dict[str, Any]:
        fields = self.model_dump(mode="json", exclude={"signature"})
        for terms in fields["grants"]:
            if terms["given"] is None:  # of a home that did not keep it yet
                del terms["given"]
        return fields


def pack(head: Head, identity: bytes, passphrase: str) -> bytes:
    """The file's bytes.

    Raises:
        PackageInvalid: the passphrase is shorter than ``LEAST_PASSPHRASE`` characters.
    """
    words = head.model_dump_json().encode()
    inside = len(words).to_bytes(4, "big") + words + identity
    header = {"alg": _ALGORITHMS[0], "enc": _ALGORITHMS[1], "p2c": _ROUNDS}
    return jwe.encrypt_compact(header, inside, _key(passphrase), registry=_Registry(algorithms=_ALGORITHMS)).encode()


def unpack(content: bytes, passphrase: str) -> tuple[Head, bytes]:
    """Head and identity. The signature is not looked at here; see ``Head.require_whole``.

    Raises:
        PackageInvalid: no package, changed, or another passphrase.
    """
    if len(content) > MAX_BYTES:
        raise PackageInvalid(f"a package has at most {MAX_BYTES >> 20} MiB")
    try:
        opened = jwe.decrypt_compact(content.strip(), _key(passphrase), registry=_Registry(algorithms=_ALGORITHMS))
        inside = opened.plaintext or b""
    except (
        JoseError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        AssertionError,
    ):
        # The header is anybody's JSON: what the parsers below it stumble over is theirs to choose.
        raise PackageInvalid(
            "this opens no package: another passphrase, a changed file, or none at all", hint="check both"
        ) from None
    length = int.from_bytes(inside[:4], "big")
    if not 0 < length <= min(_HEAD_BYTES, len(inside) - 4):
        raise PackageInvalid("the package's head does not fit")
    try:
        return parse(Head, inside[4 : 4 + length]), inside[4 + length :]
    except ValidationError as error:
        raise PackageInvalid(f"the package's head does not fit: {complaint(error)}") from None


def _key(passphrase: str) -> OctKey:
    if len(passphrase) < LEAST_PASSPHRASE:
        raise PackageInvalid(
            f"a passphrase has at least {LEAST_PASSPHRASE} characters", hint="such as five words drawn by lot"
        )
    return OctKey.import_key(passphrase.encode())
