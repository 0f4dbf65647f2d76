"""Certificate authorities that others might run: a root, one below it, and what it signs for whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Issuer", "key_pem", "new_key"]

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)
SIGNING = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)


def new_key(kind: str = "p256") -> Key:
    match kind:
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "k1":
            return ec.generate_private_key(ec.SECP256K1())
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Issuer:
    """An authority: its certificate, what leads to its root, and its key."""

    def __init__(self, name: str = "Test root", below: Issuer | None = None) -> None:
        self.key = new_key()
        self.name = name
        self._over = below
        signer = below or self
        self.certificate = self._issue(signer, name, self.key.public_key(), authority=True)

    @property
    def chain(self) -> bytes:
        own = self.certificate.public_bytes(Encoding.PEM)
        return own + (self._over.chain if self._over is not None else b"")

    @property
    def root(self) -> bytes:
        return self._over.root if self._over is not None else self.certificate.public_bytes(Encoding.PEM)

    def answer(self, request: str, **how: object) -> bytes:
        """The chain for a request, leaf first."""
        asked = x509.load_pem_x509_csr(request.encode())
        assert asked.is_signature_valid
        common = asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        return self.leaf(str(common), asked.public_key(), **how)

    def leaf(self, name: str, public: object, **how: object) -> bytes:
        return self._issue(self, name, public, **how).public_bytes(Encoding.PEM) + self.chain

    @staticmethod
    def _issue(
        signer: Issuer,
        name: str,
        public: object,
        *,
        authority: bool = False,
        purposes: tuple[x509.ObjectIdentifier, ...] = SIGNING,
        begin: timedelta = -DAY,
        end: timedelta = 365 * DAY,
        digital_signature: bool = True,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=digital_signature and not authority,
            content_commitment=not digital_signature,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=authority,
            crl_sign=authority,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(signer.name))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        )
        if purposes and not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return builder.sign(signer.key, SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )
