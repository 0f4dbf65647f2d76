"""Fetching weights, with consent: whoever asks has seen the licence and accepts it.

Everything happens in a hidden folder beside the place the weights will have: the download, bounded in size, its
SHA-256, unpacking, the digest of what is kept, and opening it once as an enrollment would. Only then is it renamed into
place. Whatever goes wrong on the way, Ctrl-C too, leaves that folder removed and the place as it was.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

import requests

from enroll.encoders import checksums, registry
from enroll.encoders.base import Card, Download, Known, Space, weights_folder
from enroll.errors import BadInput, DownloadFailed, LicenceNotAccepted, WeightsChanged
from enroll.files import fsync_folder

__all__ = ["MOST", "Fetched", "Progress", "fetch"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""

MOST: Final = 2 * 1024**3
"""Greatest size of a download, and of a file unpacked from one, whose size nobody publishes; bytes."""

_DAY: Final = 86_400.0
_CHUNK: Final = 1 << 18
_PATIENCE: Final = (10.0, 60.0)
"""Seconds for a connection, and for the next piece."""


@dataclass(frozen=True)
class Fetched:
    """Weights that are in place.

    Attributes:
        path: as ``Space.find`` gives it.
        sha256: hex digests by file name, of what was kept.
        standing: see ``checksums.Standing``; ``first use`` where nobody publishes a digest.
        new: False when they were here already and nothing was fetched.
    """

    card: Card
    path: Path
    sha256: dict[str, str]
    standing: checksums.Standing
    new: bool


def fetch(
    name: str, *, accept_licence: bool = False, mirror: str | None = None, progress: Progress | None = None
) -> Fetched:
    """The weights of a space onto this machine, into ``$CAMEO_WEIGHTS/<space>``.

    Args:
        name: of the space, or an alias.
        accept_licence: whoever asks has read ``card.licence`` and accepts it.
        mirror: a URL under which the file lies by its own name; None takes it from where it is published.
        progress: see ``Progress``.

    Raises:
        BadInput: there is no such space, or its weights are not for download.
        LicenceNotAccepted: the licence was not accepted. Nothing was fetched.
        DownloadFailed: the file could not be fetched, is no archive, or is not what the space needs.
        WeightsChanged: it is not the published file, or not the one that was used here before.
    """
    space = registry.find(name)
    card, here = space.card, space.find()
    if here is not None and checksums.standing(space, here) != "changed":
        return _fetched(space, here, new=False)
    download = card.download
    if download is None:
        raise BadInput(f"the weights of {card.space} come by pip", hint=card.source)
    if not accept_licence:
        raise LicenceNotAccepted(
            f"the weights of {card.space} are under: {card.licence}; see {card.licence_url}",
            hint=f"if you accept that: cameo weights get {card.space} --accept-licence",
        )
    url = f"{mirror.rstrip('/')}/{_file_name(download)}" if mirror else download.url
    _require_safe(url, download)
    tell = progress or (lambda doing, share: None)
    folder = weights_folder(card.space)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_old(folder)
        with tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder) as staging:
            archive = Path(staging) / _file_name(download)
            _download(url, archive, download.known, lambda share: tell("downloading", 0.9 * share))
            tell("checking", 0.9)
            _require(archive, download.known, f"{url} is not the published file")
            kept = _unpack(archive, Path(staging), download, card)
            # What opens here opens later; what does not open never gets a name that an enrollment would find.
            checksums.verify(space, kept)
            space.load(kept)
            _put(kept, folder / download.target)
    except OSError as error:
        raise DownloadFailed(f"the weights of {card.space} cannot be stored in {folder}: {error.strerror}") from None
    checksums.pin(space, folder / download.target)
    tell("done", 1.0)
    return _fetched(space, folder / download.target, new=True)


def _fetched(space: Space, path: Path, *, new: bool) -> Fetched:
    digests = {file.name: checksums.sha256(file) for file in space.files(path)}
    return Fetched(space.card, path, digests, checksums.standing(space, path), new)


def _file_name(download: Download) -> str:
    return PurePosixPath(urlsplit(download.url).path).name


def _require_safe(url: str, download: Download) -> None:
    """Without a digest, only the connection says whose file it is."""
    parts = urlsplit(url)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme == "https" or (parts.scheme == "http" and (download.known is not None or local)):
        return
    raise BadInput(f"{url[:200]} is no address to fetch weights from", hint="give one that begins with https://")


def _download(url: str, target: Path, known: Known | None, tell: Callable[[float], None]) -> None:
    most = known.size if known is not None else MOST
    # Identity: the digest is of the file, not of how a server packs it.
    headers = {"User-Agent": "cameo", "Accept-Encoding": "identity"}
    try:
        with requests.get(url, stream=True, timeout=_PATIENCE, headers=headers) as answer, target.open("xb") as file:
            answer.raise_for_status()
            length = int(answer.headers.get("Content-Length") or 0) or (known.size if known else 0)
            done = 0
            for piece in answer.iter_content(_CHUNK):
                done += len(piece)
                if done > most:
                    raise DownloadFailed(f"{url} sends more than the {most} bytes expected")
                file.write(piece)
                tell(min(1.0, done / length) if length else 0.0)
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else "with an error"
        raise DownloadFailed(f"{url} answers {code}", hint="try later, or another place with --from") from None
    except (requests.RequestException, ValueError) as error:
        raise DownloadFailed(
            f"{url} cannot be fetched: {type(error).__name__}", hint="check the connection and try again"
        ) from None


def _require(path: Path, known: Known | None, otherwise: str) -> None:
    if known is None:
        return
    if (size := path.stat().st_size) != known.size:
        raise WeightsChanged(f"{otherwise}: {size} bytes, expected {known.size}", hint="try again, or another mirror")
    if (digest := checksums.sha256(path)) != known.sha256:
        raise WeightsChanged(
            f"{otherwise}: SHA-256 {digest}, expected {known.sha256}", hint="try again, or another mirror"
        )


def _unpack(archive: Path, staging: Path, download: Download, card: Card) -> Path:
    """What is kept of the download, still in the staging folder."""
    if download.keep == "file":
        return archive
    kept = staging / "kept" / download.target
    try:
        with zipfile.ZipFile(archive) as bundle:
            if download.keep == "member":
                kept.parent.mkdir(parents=True)
                _extract(bundle, _member(bundle, kept.name), kept)
                published = {known.name: known for known in card.files}
                _require(kept, published.get(kept.name), f"{kept.name} in {archive.name} is not the published file")
            else:
                _extract_all(bundle, kept)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError, EOFError) as error:
        # NotImplementedError and RuntimeError are how zipfile declines a method it does not know and a password.
        raise DownloadFailed(f"{archive.name} is no archive of weights: {type(error).__name__}") from None
    return kept


def _member(bundle: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    found = [entry for entry in bundle.infolist() if PurePosixPath(entry.filename).name == name]
    if len(found) != 1:
        raise DownloadFailed(f"the archive holds {len(found)} files called {name}, expected 1")
    return found[0]


def _extract_all(bundle: zipfile.ZipFile, folder: Path) -> None:
    """Every file of a pack, directly into ``folder``: packs are flat, or lie in one folder of their own."""
    folder.mkdir(parents=True)
    left = MOST
    for entry in bundle.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir():
            continue
        if path.is_absolute() or ".." in path.parts or len(path.parts) > 2 or stat.S_ISLNK(entry.external_attr >> 16):
            raise DownloadFailed(f"the archive holds {entry.filename[:80]!r}, which is no part of a pack")
        if (folder / path.name).exists():
            raise DownloadFailed(f"the archive holds {path.name[:80]!r} twice")
        left -= _extract(bundle, entry, folder / path.name, most=left)


def _extract(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, *, most: int = MOST) -> int:
    """Bytes written. What an archive says of the size of its files is not believed."""
    written = 0
    with bundle.open(entry) as source, target.open("xb") as file:
        while piece := source.read(_CHUNK):
            written += len(piece)
            if written > most:
                raise DownloadFailed(f"{target.name} in the archive is larger than {most} bytes")
            file.write(piece)
    return written


def _forget_old(folder: Path) -> None:
    """What a process that was killed left behind."""
    for staging in folder.glob(".incoming-*"):
        if time.time() - staging.stat().st_mtime > _DAY:
            shutil.rmtree(staging, ignore_errors=True)


def _put(kept: Path, target: Path) -> None:
    """Rename into place, over what lies there; a folder cannot be renamed over another, so that one goes first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    kept.replace(target)
    fsync_folder(target.parent)
