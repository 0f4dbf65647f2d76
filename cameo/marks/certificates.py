"""Certificates that an operator brings: asked of an authority, held to what C2PA asks of them, told in words.

C2PA specification 2.1, §14.5.1: a signing credential is an X.509 v3 certificate that is no authority itself, whose key
usage has the digital signature, and whose extended key usage is one of those in ``_PURPOSES`` and not "any".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import c2pa
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from cameo.errors import SignerInvalid
from cameo.marks.authority import Authority
from cameo.marks.c2pa import try_signing
from enroll.fields import spell

__all__ = ["Told", "fingerprint", "in_force", "new_request", "of_certificates", "read_root", "told"]

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

_PURPOSES: Final = (
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing, RFC 9336
    ObjectIdentifier("1.3.6.1.4.1.62558.2.1"),  # C2PA claim signing
)
_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA: Final = 2048
_LONGEST_CHAIN: Final = 8
_MAX_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Told:
    """A certificate in words.

    Attributes:
        subject, issuer: distinguished names (RFC 4514).
        until: when it ends, UTC.
        sha256: of the certificate, hex.
    """

    subject: str
    issuer: str
    until: datetime
    sha256: str


def new_request(common: str, organization: str | None = None) -> tuple[str, str]:
    """A new P-256 key (PKCS#8 PEM, secret) and the request to an authority for a certificate of it (PKCS#10 PEM).

    Raises:
        SignerInvalid: these make no name.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
        if organization:
            parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    except ValueError as error:
        raise SignerInvalid(f"this makes no name for a certificate: {error}") from None
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(parts))
        .add_extension(x509.ExtendedKeyUsage(_PURPOSES), critical=False)
        .sign(key, SHA256())
    )
    return _pem(key), request.public_bytes(Encoding.PEM).decode()


def of_certificates(chain: bytes, key: bytes, *, now: datetime) -> Authority:
    """Who signs with a certificate that an authority gave.

    Args:
        chain: PEM, the leaf first and its root last.
        key: of the leaf, PEM, not encrypted.

    Raises:
        SignerInvalid: scenes cannot be signed with it; the message says why.
    """
    certificates, private = _parse(chain), _key(key)
    leaf, root = certificates[0], certificates[-1]
    if _public(leaf) != private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise SignerInvalid("the key is not that of the first certificate", hint="leaf first, root last")
    for lower, upper in zip(certificates, [*certificates[1:], root], strict=True):
        _require_issued(lower, upper)
    _require_signer(leaf)
    _require_time(leaf, now)
    pem = [certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates]
    authority = Authority(
        key=_pem(private),
        leaf=pem[0],
        root=pem[-1],
        between="".join(pem[1:-1]),
        algorithm=_algorithm(private),
        development=False,
    )
    try:
        found = try_signing(authority)
    except c2pa.C2paError as error:
        raise SignerInvalid(f"the C2PA library does not sign with it: {str(error).split(':')[0]}") from None
    if found.state != "Trusted":
        raise SignerInvalid(f"what it signs does not verify: {', '.join(found.problems) or found.state}")
    return authority


def in_force(authority: Authority, now: datetime) -> Authority:
    """The same. Raises SignerInvalid when its certificate is over, before anything is made that it should sign."""
    _require_time(x509.load_pem_x509_certificate(authority.leaf.encode()), now)
    return authority


def read_root(content: bytes) -> str:
    """A root certificate of another home or authority, as PEM.

    Raises:
        SignerInvalid: not exactly one certificate, or not of an authority.
    """
    (root, *more) = _parse(content)
    if more:
        raise SignerInvalid(f"there are {len(more) + 1} certificates in it; a root is one")
    if not _is_authority(root):
        raise SignerInvalid(f"{root.subject.rfc4514_string()} is no certificate of an authority", hint="give its root")
    return root.public_bytes(Encoding.PEM).decode()


def told(pem: str) -> Told:
    """What a certificate says."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return Told(
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_after_utc,
        fingerprint(pem),
    )


def fingerprint(pem: str) -> str:
    """SHA-256 of a certificate, hex."""
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(SHA256()).hex()


def _parse(content: bytes) -> Sequence[x509.Certificate]:
    if len(content) > _MAX_BYTES:
        raise SignerInvalid(f"certificates are at most {_MAX_BYTES} bytes")
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        raise SignerInvalid("there is no certificate in it", hint="PEM: -----BEGIN CERTIFICATE----- …") from None
    if len(found) > _LONGEST_CHAIN:
        raise SignerInvalid(f"a chain has at most {_LONGEST_CHAIN} certificates, this has {len(found)}")
    return found


def _key(content: bytes) -> Key:
    try:
        found = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SignerInvalid("this is no private key", hint="PEM (PKCS#8), without a passphrase") from None
    _algorithm(cast(Key, found))
    return cast(Key, found)


def _algorithm(key: Key) -> str:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA:
        return "ps256"
    raise SignerInvalid(
        "C2PA does not sign with such a key", hint="P-256, P-384, P-521, Ed25519, or RSA from 2048 bits"
    )


def _require_issued(lower: x509.Certificate, upper: x509.Certificate) -> None:
    name = lower.subject.rfc4514_string()
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        if lower is upper:
            raise SignerInvalid(f"the last certificate, {name}, is no root", hint="append the root's") from None
        raise SignerInvalid(
            f"{name} is not issued by {upper.subject.rfc4514_string()}", hint="leaf first, each then its issuer's"
        ) from None
    if not _is_authority(upper):
        raise SignerInvalid(f"{upper.subject.rfc4514_string()} is no authority and issues nothing")


def _require_signer(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (x509.ExtensionNotFound, ValueError):
        raise SignerInvalid("the certificate does not say what it is for", hint="ask for C2PA claim signing") from None
    if _is_authority(leaf) or not usage.digital_signature:
        raise SignerInvalid("the certificate is not for signatures", hint="key usage: digital signature")
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes or not set(_PURPOSES) & set(purposes):
        raise SignerInvalid(
            "the certificate is not for signing documents",
            hint="extended key usage: C2PA claim signing, document signing or e-mail protection, and not any",
        )


def _require_time(leaf: x509.Certificate, now: datetime) -> None:
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise SignerInvalid(
            f"the certificate runs from {spell(leaf.not_valid_before_utc)} until {spell(leaf.not_valid_after_utc)}",
            hint="ask for a new one: cameo keys request; or go back to this home's own: cameo keys develop",
        )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
