"""Who signs the scenes of a home, and whose signatures are trusted there.

home/
  signer.sealed         a certificate that the operator brought, and its key, sealed
  signer.pending        the key of a certificate that was asked for and has not come yet, sealed
  trusted.pem           roots of others, and those this home has had before

Without the first a home signs by its own development authority (``authority``). A backup of the vault holds none of
them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from cameo.errors import SignerInvalid, StoreDamaged, StoreFull
from cameo.marks.authority import Authority
from cameo.marks.certificates import fingerprint, in_force, new_request, of_certificates, read_root
from enroll.files import write_atomically

__all__ = ["Safe", "Signer"]

_SEALED: Final = "signer.sealed"
_PENDING: Final = "signer.pending"
_TRUSTED: Final = "trusted.pem"
_END: Final = "-----END CERTIFICATE-----\n"
_MOST_ROOTS: Final = 256


class Safe(Protocol):
    """What keeps secrets of a home: its vault."""

    def seal(self, plaintext: bytes, kind: str) -> bytes: ...

    def unseal(self, sealed: bytes, kind: str) -> bytes:
        """Raises StoreDamaged."""
        ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Signer:
    """
    Args:
        home: its folder.
        secret: 32 bytes that the home's own authority rests on; see ``Authority.derive``.
        safe: seals what is written there.
        clock: gives the time in UTC.
    """

    def __init__(self, home: Path, secret: bytes, safe: Safe, clock: Callable[[], datetime] = _utc_now) -> None:
        self._home, self._safe, self._clock = home, safe, clock
        self._own = Authority.derive(secret)

    def __repr__(self) -> str:
        return "Signer(…)"

    @property
    def authority(self) -> Authority:
        """Who signs; ``authority.root`` is what others must trust to see the scenes as Trusted.

        Raises:
            SignerInvalid: the operator's certificate is over.
            StoreDamaged: it does not open.
        """
        return in_force(self.standing, self._clock())

    @property
    def standing(self) -> Authority:
        """The same, to be looked at: its certificate may be over. Raises StoreDamaged when it does not open."""
        return self._brought() or self._own

    def request(self, common: str, organization: str | None = None) -> str:
        """Make a key and ask for a certificate of it: PKCS#10, PEM. It takes the place of one that was asked for
        before and did not come.

        Raises:
            SignerInvalid: these make no name.
        """
        key, request = new_request(common, organization)
        self._write(_PENDING, key.encode())
        return request

    def install(self, chain: bytes, key: bytes | None = None) -> Authority:
        """Sign with a certificate that an authority gave from now on. Scenes that were signed before stay trusted here.

        Args:
            chain: PEM, leaf first, root last.
            key: PEM; None for the one that was made with the request.

        Raises:
            SignerInvalid: it cannot sign scenes, or nothing was asked for; then all stays as it was.
        """
        if key is None:
            key = self._read(_PENDING)
            if key is None:
                raise SignerInvalid("no certificate was asked for here", hint="cameo keys request, or give --key FILE")
        found = of_certificates(chain, key, now=self._clock())
        self._trust_the_one_before()
        self._write(_SEALED, json.dumps(vars(found)).encode())
        (self._home / _PENDING).unlink(missing_ok=True)
        return found

    def develop(self) -> Authority:
        """Sign by this home's own authority again; a certificate that was brought is forgotten, with its key."""
        self._trust_the_one_before()
        (self._home / _SEALED).unlink(missing_ok=True)
        return self._own

    @property
    def roots(self) -> tuple[str, ...]:
        """Root certificates whose scenes are trusted here, PEM: this home's own, then those of others."""
        own = [self._own.root]
        brought = self._brought()
        own += [brought.root] if brought is not None else []
        return tuple(dict.fromkeys([*own, *self._trusted()]))

    def trust(self, root: bytes) -> str:
        """Take scenes for whole and honestly labelled that are signed under this root; PEM.

        Raises:
            SignerInvalid: it is no root certificate, or there are too many.
        """
        return self._trust(read_root(root))

    def distrust(self, sha256: str) -> None:
        """Take that back.

        Args:
            sha256: of the certificate, hex, or how it begins.

        Raises:
            SignerInvalid: none is trusted whose digest begins so, or several are.
        """
        found = [pem for pem in self._trusted() if sha256 and fingerprint(pem).startswith(sha256.lower())]
        if len(found) != 1:
            raise SignerInvalid(
                f"{len(found) or 'no'} trusted certificates begin with {sha256[:64]}", hint="see: cameo keys"
            )
        self._keep_trusted([pem for pem in self._trusted() if pem != found[0]])

    def _brought(self) -> Authority | None:
        sealed = self._read(_SEALED)
        try:
            return None if sealed is None else Authority(**json.loads(sealed))
        except (ValueError, TypeError):
            raise StoreDamaged(
                f"{self._home / _SEALED} holds no certificate", hint="remove it, and install the certificate again"
            ) from None

    def _trust_the_one_before(self) -> None:
        brought = self._brought()
        if brought is not None:
            self._trust(brought.root)

    def _trust(self, root: str) -> str:
        known = self._trusted()
        if len(known) >= _MOST_ROOTS:
            raise SignerInvalid(f"{_MOST_ROOTS} roots are trusted already", hint="cameo keys distrust")
        self._keep_trusted(dict.fromkeys([*known, root]))
        return root

    def _trusted(self) -> list[str]:
        try:
            text = (self._home / _TRUSTED).read_text()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError):
            raise StoreDamaged(
                f"{self._home / _TRUSTED} cannot be read", hint="remove it, and trust them again"
            ) from None
        return [part + _END for part in text.split(_END)[:-1]]

    def _keep_trusted(self, roots: Iterable[str]) -> None:
        self._write(_TRUSTED, "".join(roots).encode(), sealed=False)

    def _read(self, name: str) -> bytes | None:
        try:
            return self._safe.unseal((self._home / name).read_bytes(), name)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreDamaged(f"{self._home / name} cannot be read: {error.strerror}") from None

    def _write(self, name: str, content: bytes, *, sealed: bool = True) -> None:
        try:
            write_atomically(self._home / name, self._safe.seal(content, name) if sealed else content)
        except OSError as error:
            raise StoreFull(f"{self._home / name} cannot be written: {error.strerror}") from None
