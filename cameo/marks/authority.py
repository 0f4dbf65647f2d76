"""Who signs the scenes of this home: a root certificate of its own, and one leaf under it.

A development authority. Another machine sees that a scene is whole and who signed it, but trusts it only if the root
was handed over (``Authority.root``); a house with a certificate from a C2PA trust list uses that one instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cameo.errors import StoreDamaged

__all__ = ["Authority"]

_FORMAT = "cameo-authority/1"
_VALID = timedelta(days=3650)
# Clocks differ; a certificate must not be from the future on the next machine.
_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, repr=False)
class Authority:
    """What signing a scene takes. The root's own key was thrown away once the leaf was issued.

    Attributes:
        key: the leaf's Ed25519 private key, PKCS#8 PEM. Secret.
        leaf: the leaf certificate, PEM; its key usage and extended key usage are those the C2PA 2.1 specification
            asks of a signing credential.
        root: the certificate to trust, PEM.
    """

    key: str
    leaf: str
    root: str

    def __repr__(self) -> str:
        return "Authority(…)"

    @property
    def chain(self) -> str:
        """Leaf first, PEM."""
        return self.leaf + self.root

    @classmethod
    def create(cls, now: datetime | None = None) -> Authority:
        """A fresh one, valid for ten years."""
        begin = (now or datetime.now(UTC)) - _SKEW
        root_key, leaf_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        issuer = _name("Cameo development root")
        root = (
            _certificate(issuer, issuer, root_key, begin)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
            .sign(root_key, None)
        )
        leaf = (
            _certificate(_name("Cameo scene signer"), issuer, leaf_key, begin)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
            .sign(root_key, None)
        )
        key = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(key.decode(), leaf.public_bytes(Encoding.PEM).decode(), root.public_bytes(Encoding.PEM).decode())

    def to_bytes(self) -> bytes:
        """Plaintext, the key in it: for the vault's cipher alone."""
        return json.dumps({"format": _FORMAT, "key": self.key, "leaf": self.leaf, "root": self.root}).encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Authority:
        """The inverse of ``to_bytes``.

        Raises:
            StoreDamaged: the blob is no authority.
        """
        try:
            fields = json.loads(blob)
            if fields.pop("format") != _FORMAT:
                raise ValueError("format")
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged("the stored scene signer cannot be read") from error


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Cameo"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PrivateKey, begin: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + _VALID)
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
