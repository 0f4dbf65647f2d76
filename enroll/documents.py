"""What signed documents in files have in common: read and refused, written, and held to their signature.

Each kind refuses with an error of its own; the words are the same.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Literal, LiteralString, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from enroll.errors import KitError
from enroll.files import write_atomically
from enroll.signature import SignatureBroken, verify

__all__ = ["MAX_BYTES", "complaint", "load", "parse", "save", "signer_of"]

MAX_BYTES: Final = 64 * 1024
_MOST_PARTS: Final = 64 * 1024
_AS_ISSUED: Final = "use the file as it was issued"

_Document = TypeVar("_Document", bound=BaseModel)


def parse(model: type[_Document], content: str | bytes) -> _Document:
    """A document out of JSON that names no member of an object twice.

    Of two members with one name RFC 8259 leaves open which counts: two readers of one signed file could see two.

    Raises:
        ValidationError: it is no such JSON, or not these fields, or has more than ``_MOST_PARTS`` parts: each costs
            some forty times what it takes in the file.
    """
    if _parts(content) > _MOST_PARTS:
        raise _refusal("parts", "more members and elements than a document has", ())
    document = model.model_validate_json(content)
    # What pydantic has read is JSON of bounded depth. Its numbers were looked at there.
    json.loads(content, object_pairs_hook=_once_each, parse_int=str, parse_float=str)
    return document


def complaint(error: ValidationError) -> str:
    """What is wrong first: which field, and what with it. Never the value, which may be a person's."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:60]
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _once_each(members: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in members:
        if name in seen:
            raise _refusal("twice", "a member of this name is there twice", (name,))
        seen.add(name)


def _parts(content: str | bytes) -> int:
    """Of JSON, about how many members and elements; what stands in texts counts too."""
    if isinstance(content, str):
        return sum(map(content.count, ",[{"))
    return sum(map(content.count, (b",", b"[", b"{")))


def _refusal(kind: Literal["parts", "twice"], message: LiteralString, where: tuple[str, ...]) -> ValidationError:
    details = InitErrorDetails(type=PydanticCustomError(kind, message), loc=where, input=None)
    return ValidationError.from_exception_data("JSON", [details])


def load(
    model: type[_Document],
    path: str | Path,
    kind: str,
    refused: type[KitError],
    *,
    most: int = MAX_BYTES,
    hint: str = _AS_ISSUED,
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
            content = file.read(most + 1)
    except OSError as error:
        raise refused(f"cannot read the {kind} {path}: {error.strerror}") from None
    if len(content) > most:
        raise refused(f"{path} is no {kind}: over {most} bytes", hint=hint)
    try:
        return parse(model, content)
    except ValidationError as error:
        raise refused(f"{path} is no {kind}: {complaint(error)}", hint=hint) from None


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
        raise refused(f"{what} is not signed", hint=_AS_ISSUED)
    try:
        signer = verify(fields, signature)
    except SignatureBroken as error:
        raise refused(f"{what} was changed after it was signed: {error}", hint=_AS_ISSUED) from None
    if trusted is not None and signer not in trusted:
        raise refused(f"{what} is signed by {signer}, whom nobody here trusts", hint="ask whoever you have it from")
    return signer
