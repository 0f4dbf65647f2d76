"""Who signs the scenes of a home, unless its operator brought a certificate (``certificates``): a root certificate of
its own, and one leaf under it.

A development authority. Another machine sees that a scene is whole and who signed it, but trusts it only if the root
was handed over (``Authority.root``).

Nothing of it is stored. Both keys come from the operator's key by HKDF, Ed25519 signs deterministically (RFC 8032), and
dates and serial numbers are fixed: the same operator has the same certificates at any time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority"]

_BEGIN, _END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, repr=False)
class Authority:
    """What signing a scene takes.

    Attributes:
        key: the leaf's private key, PKCS#8 PEM. Secret.
        leaf: the leaf certificate, PEM; its key usage and extended key usage are those the C2PA 2.1 specification
            asks of a signing credential.
        root: the certificate to trust, PEM.
        between: those that lead from the leaf to the root, PEM, in this order; empty where the root signed the leaf.
        algorithm: as C2PA names it, ``ed25519``, ``es256`` ….
        development: whether this home made it itself.
    """

    key: str
    leaf: str
    root: str
    between: str = ""
    algorithm: str = "ed25519"
    development: bool = True

    def __repr__(self) -> str:
        return "Authority(…)"

    @property
    def chain(self) -> str:
        """Leaf first, PEM."""
        return self.leaf + self.between + self.root

    @classmethod
    def derive(cls, secret: bytes) -> Authority:
        """The authority that rests on a secret of 32 random bytes, such as the operator's private key."""
        root_key, leaf_key = _key(secret, "cameo/1 c2pa root"), _key(secret, "cameo/1 c2pa leaf")
        issuer = _name("Cameo development root")
        root = (
            _certificate(issuer, issuer, root_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
            .sign(root_key, None)
        )
        leaf = (
            _certificate(_name("Cameo scene signer"), issuer, leaf_key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
            .sign(root_key, None)
        )
        key = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(key.decode(), leaf.public_bytes(Encoding.PEM).decode(), root.public_bytes(Encoding.PEM).decode())


def _key(secret: bytes, purpose: str) -> Ed25519PrivateKey:
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cameo"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _certificate(subject: x509.Name, issuer: x509.Name, key: Ed25519PublicKey) -> x509.CertificateBuilder:
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        # A serial number is positive and at most 20 bytes (RFC 5280).
        .serial_number(int.from_bytes(hashlib.sha256(raw).digest()[:16], "big") | 1)
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
