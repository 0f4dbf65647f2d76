"""What signed documents in files have in common: read and refused, written, and held to their signature.

Each kind refuses with an error of its own; the words are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from enroll.errors import KitError
from enroll.files import write_atomically
from enroll.signature import SignatureBroken, verify

__all__ = ["MAX_BYTES", "load", "save", "signer_of"]

MAX_BYTES: Final = 64 * 1024

_Document = TypeVar("_Document", bound=BaseModel)


def load(
    model: type[_Document],
    path: str | Path,
    kind: str,
    refused: type[KitError],
    *,
    most: int = MAX_BYTES,
    hint: str = "use the file as it was issued",
) -> _Document:
    """Read a document; its signature is not looked at.

    Args:
        kind: what it should be, as in "receipt".
        refused: what is raised.
        most: bytes that are read of it.

    Raises:
        refused: there is none in this file.
    """
    try:
        with Path(path).open("rb") as file:
            return model.model_validate_json(file.read(most))
    except OSError as error:
        raise refused(f"cannot read the {kind} {path}: {error.strerror}") from None
    except ValidationError as error:
        raise refused(f"{path} is no {kind}: {error.error_count()} fields do not fit", hint=hint) from None


def save(path: str | Path, text: str, kind: str, refused: type[KitError]) -> None:
    """Write a document, readable by its owner alone, whole or not at all. Raises ``refused`` where that cannot be."""
    try:
        write_atomically(Path(path), text.encode())
    except OSError as error:
        raise refused(
            f"cannot write the {kind} {path}: {error.strerror}", hint="free some space, or choose another folder"
        ) from None


def signer_of(
    fields: Mapping[str, Any],
    signature: str | None,
    what: str,
    refused: type[KitError],
    *,
    trusted: Collection[str] | None = None,
) -> str:
    """Who signed these fields: a thumbprint.

    Args:
        what: the document, as in "receipt 1234".
        trusted: thumbprints of those whose word counts; None for anybody's.

    Raises:
        refused: unsigned, changed, or signed by a stranger.
    """
    if signature is None:
        raise refused(f"{what} is not signed")
    try:
        signer = verify(fields, signature)
    except SignatureBroken as error:
        raise refused(f"{what} was changed after it was signed: {error}") from None
    if trusted is not None and signer not in trusted:
        raise refused(f"{what} is signed by {signer}, whom nobody here trusts")
    return signer
