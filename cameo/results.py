"""What ``Studio.generate``, ``check`` and ``personalize`` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cameo.vault import SceneRole

if TYPE_CHECKING:
    from cameo.marks import Manifest
    from enroll.receipt import Receipt

__all__ = ["CheckResult", "DeletedScene", "PersonalizeResult", "SceneResult"]


@dataclass(frozen=True)
class PersonalizeResult:
    """A LoRA that was learned of a person and kept.

    Attributes:
        handle: whose.
        model: for which generator.
        rank: of the LoRA.
        minutes: spent learning.
        bytes: how large it is.
    """

    handle: str
    model: str
    rank: int
    minutes: float
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class SceneResult:
    """A scene that was made.

    Attributes:
        path: absolute.
        sha256: hex digest of the file.
        seconds: of picture.
        width, height: pixels.
        fps: frames per second.
        sample_rate: hertz.
        cast: handles, in the order of the prompt.
        timings: seconds spent, by stage.
        unknown_words: words of the prompt the model never learnt.
        unused_loras: of the cast, whose own LoRA was learned for another model or version.
    """

    path: Path
    sha256: str
    seconds: float
    width: int
    height: int
    fps: float
    sample_rate: int
    cast: tuple[str, ...]
    seed: int
    model: str
    timings: Mapping[str, float]
    unknown_words: tuple[str, ...] = ()
    unused_loras: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "seconds": self.seconds,
            "width": self.width,
            "height": self.height,
            "fps": self.fps,
            "sample_rate": self.sample_rate,
            "cast": list(self.cast),
            "seed": self.seed,
            "model": self.model,
            "timings": {stage: round(seconds, 3) for stage, seconds in self.timings.items()},
        }


@dataclass(frozen=True)
class CheckResult:
    """What is known of a file.

    Attributes:
        path: absolute.
        sha256: hex digest of the file.
        cast: who is in it, as they stand now; empty when nothing is known.
        found_by: ``record``: this very file was made here. ``manifest``: its manifest is whole and its signer trusted
            here. ``watermark``: it carries that of a scene that was made here. ``likeness``: it looks or sounds like
            one. ``claim``: its manifest says so, but was changed or is signed by a stranger. None: nothing was found.
        manifest: see ``cameo.marks.Manifest``.
        original: hex digest of the scene it is like, where ``found_by`` is ``watermark`` or ``likeness``.
        under_receipt: whether it was made under the consent of a receipt that was given; None where none was.
    """

    path: Path
    sha256: str
    cast: tuple[SceneRole, ...]
    found_by: Literal["record", "manifest", "watermark", "likeness", "claim"] | None
    manifest: Manifest
    original: str | None = None
    under_receipt: bool | None = None

    def is_under(self, receipt: Receipt) -> bool:
        """By the hash in a manifest that is trusted here, to the letter; else by the consent's id, where this home
        knows the scene. What a stranger's manifest says does not count: hashes can be copied from another scene."""
        told = self.manifest.cast if self.manifest.state == "Trusted" else None
        digest = receipt.metadata.record_sha256
        if told is not None and digest is not None and any(one.consent_hash for one in told.people):
            return told.under(digest) is not None
        known = self.found_by not in (None, "claim")
        return known and receipt.metadata.record_id in {role.consent_id for role in self.cast}

    def as_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "sha256": self.sha256,
            "found_by": self.found_by,
            "original": self.original,
            **({} if self.under_receipt is None else {"under_receipt": self.under_receipt}),
            "cast": [role.model_dump(mode="json", include={"handle", "consent_id", "status"}) for role in self.cast],
            "c2pa": self.manifest.model_dump(mode="json", exclude={"cast"}),
            # Watermarks come with a later version; the field is part of the contract already.
            "mark": None,
        }


@dataclass(frozen=True)
class DeletedScene:
    """What became of a scene somebody wanted gone.

    Attributes:
        sha256: hex digest of the file.
        path: where it was written; None where that is not known any more.
        deleted: whether that very file lay there and was deleted.
    """

    sha256: str
    path: Path | None
    deleted: bool

    def as_json(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "path": str(self.path) if self.path else None, "deleted": self.deleted}
