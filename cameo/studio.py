"""The front door of the library: enroll, generate, check, revoke.

>>> from cameo import Studio
>>> studio = Studio()  # doctest: +SKIP
>>> studio.generate('@ada says "hello" by the sea', out="scene.mp4", seed=0)  # doctest: +SKIP

Opening a studio is quick. What takes seconds to import (torch, diffusers, dlib) is imported where it is needed.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
from joserfc.util import urlsafe_b64decode

from cameo import __version__
from cameo.errors import HandleTaken, InputRefused, NotPermitted, Revoked, UnknownHandle, UsageError
from cameo.log import Checkpoint, Growth, Inclusion, Verifier
from cameo.references import References
from cameo.results import CheckResult, DeletedScene, PersonalizeResult, SceneResult
from cameo.rules import rule
from cameo.script import bare, parse
from cameo.status import StatusList, StatusReader, list_id_of
from cameo.status.document import GREATEST_AGE
from cameo.targets import check_target, write_small
from cameo.vault import CastEntry, Certificate, History, Lease, LedgerHead, Permission, SceneRole, SignedGrant, Vault
from cameo.vault.backup import people_in
from cameo.vault.checking import Shown, check_evidence, read_checkpoint
from cameo.vault.duplicates import with_guard
from cameo.vault.package import MAX_BYTES as PACKAGE_BYTES
from enroll.consent import ConsentRecord, Scope, Use
from enroll.errors import ConsentExpired
from enroll.processing import Processing
from enroll.receipt import Receipt
from enroll.signature import thumbprint

if TYPE_CHECKING:
    from cameo.backbones import Backbone, Equipment
    from cameo.conditioning import Presence
    from cameo.marks import Authority, CastAssertion, Signer
    from cameo.training.personal_clip import Sitting
    from enroll.evidence import Capture
    from enroll.findings import Findings
    from enroll.identity import Identity
    from enroll.liveness import Liveness

__all__ = ["KEEPING", "Progress", "Studio", "default_home"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done, 0 to 1."""

KEEPING = "keeping the person"
"""The last stage of an enrollment: from here on it is done, and no longer called off."""
_LONGEST = 20.0
"""Seconds; LTX-2 makes no longer scene in one piece."""
_STRONGEST = 4.0
_MINUTES, _MINUTES_FROM_A_CLIP = 3.0, 20.0


def default_home() -> Path:
    """``$CAMEO_HOME``, else the folder the system keeps a user's data in."""
    chosen = os.environ.get("CAMEO_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("cameo")


class Studio:
    """People, scenes, and the rules between them, in one home.

    Args:
        home: where people are kept; None for ``default_home()``. Made when first needed.
        database, blobs: where the vault's tables and ciphertexts are, if not in the home: see ``Vault``.

    Every method raises errors of ``KitError`` alone for what a caller can do something about.
    """

    def __init__(
        self, home: str | os.PathLike[str] | None = None, *, database: str | None = None, blobs: str | None = None
    ) -> None:
        self.home = Path(home).expanduser() if home is not None else default_home()
        self._database, self._blobs = database, blobs
        self._backbones: dict[str, tuple[tuple[Equipment, bool, bool], Backbone]] = {}

    def __repr__(self) -> str:
        return f"Studio({str(self.home)!r})"

    @cached_property
    def vault(self) -> Vault:
        """Identities at rest."""
        return Vault(self.home, database=self._database, blobs=self._blobs)

    @cached_property
    def signer(self) -> Signer:
        """Who signs this home's scenes, and whose scenes are trusted here."""
        from cameo.marks import Signer

        secret = urlsafe_b64decode(str(self.vault.operator.as_dict(private=True)["d"]).encode())
        return Signer(self.home, secret, self.vault)

    def new_consent(
        self,
        *,
        name: str,
        handle: str,
        scope: Iterable[Scope] = (),
        uses: Iterable[Use] = (),
        grants: Iterable[str] = (),
        valid_days: int = 365,
        retention_days: int = 30,
        processing: Processing | None = None,
    ) -> ConsentRecord:
        """A request for consent, signed by this home: see ``ConsentRecord.new``."""
        record = ConsentRecord.new(
            name=name,
            handle=bare(handle),
            scope=scope,
            uses=uses,
            grants=grants,
            valid_days=valid_days,
            retention_days=retention_days,
            processing=processing,
        )
        return record.sign(self.vault.operator)

    def attest(self, consent: ConsentRecord, *, by: str) -> ConsentRecord:
        """The operator of this home vouches that the person consented: see ``ConsentRecord.attest``."""
        return consent.attest(by=by, key=self.vault.operator)

    def enroll(
        self,
        clip: str | os.PathLike[str],
        consent: ConsentRecord | str | os.PathLike[str],
        *,
        handle: str | None = None,
        encoders: Sequence[str] | None = None,
        subject: int | None = None,
        trust_voice: bool = False,
        again: bool = False,
        capture: Capture = "upload",
        progress: Progress | None = None,
        onlooker: Callable[[Findings], None] | None = None,
    ) -> Identity:
        """Learn the person in a clip and keep them. All or nothing.

        A clip that meets the challenge of its consent raises the consent's assurance, and makes a consent of a mere
        request; what is stored is the record that says so, under this home's signature.

        Args:
            clip: a video file.
            consent: the record, or its file.
            handle: must be the consent's; None takes it.
            encoders: see ``enroll.enroll``. The space by which duplicates are noticed is always among them.
            subject: which of several people it is, counted from the left; None when the clip is to say so itself.
            trust_voice: learn a voice of which it could not be seen whether it is theirs; see ``enroll.enroll``.
            again: keep them although they are taken for somebody who is enrolled here: a twin, a second persona.
            capture: ``camera`` if the operator's own program recorded the clip from a camera. Nothing can check it.
            progress: see ``Progress``. The last stage is ``KEEPING``.
            onlooker: called once with all that was found in the clip, also when the person is then refused.

        Returns:
            What was stored, in the clear: do not write it anywhere.

        Raises:
            HandleTaken: somebody is enrolled under this handle.
            AlreadyEnrolled: the person is enrolled under another one.
            EnrollmentRefused: they left and asked not to be enrolled again.
            ChallengeUsed: the challenge, or the clip that meets it, has served before.
            EnrollError: the consent or the clip cannot serve (see ``enroll.enroll``).
        """
        record = consent if isinstance(consent, ConsentRecord) else ConsentRecord.load(Path(consent))
        wanted = bare(handle) if handle is not None else None
        # Both would be found later too; a minute of looking at the clip later.
        record.verify(trusted=self.vault.trusted, handle=wanted, request=True)
        self._require_free(record)
        if record.assurance == "requested":
            self.vault.require_unused(record)
        if progress is not None:
            progress("opening the encoders", 0.0)
        from enroll.pipeline import enroll

        answers: list[Liveness | None] = []

        def look(findings: Findings) -> None:
            answers.append(findings.liveness)
            if onlooker is not None:
                onlooker(findings)

        identity = enroll(
            Path(clip),
            record,
            handle=wanted,
            encoders=with_guard(encoders, record.scope),
            subject=subject,
            trust_voice=trust_voice,
            trusted=self.vault.trusted,
            progress=progress,
            onlooker=look,
        )
        liveness = answers[-1]
        if liveness is not None and liveness.level != "none":
            record = record.fulfil(liveness, clip_sha256=identity.clip_sha256, key=self.vault.operator, capture=capture)
        if progress is not None:
            progress(KEEPING, 1.0)
        self.vault.put(identity, record, again=again)
        return identity

    def cast(self) -> tuple[CastEntry, ...]:
        """Everyone enrolled here."""
        return self.vault.cast()

    def show(self, handle: str) -> CastEntry:
        """One person: coverage, consent, grants, number of scenes."""
        return self.vault.show(bare(handle))

    def consent(self, handle: str) -> ConsentRecord:
        """The consent a person's identity rests on, as it is kept: with its assurance and the evidence of it."""
        return self.vault.consent(bare(handle))

    def receipt(self, handle: str) -> Receipt:
        """What the person takes home: see ``enroll.receipt``."""
        entry, consent = self.vault.show(bare(handle)), self.vault.consent(bare(handle))
        status = (list_id_of(thumbprint(self.vault.operator)), entry.status_index)
        return Receipt.of(
            consent, enrolled=entry.created, key=self.vault.operator, now=datetime.now(UTC), status=status
        )

    def allow(
        self,
        handle: str,
        *,
        user: str,
        uses: Iterable[Use] = (),
        scenes: int | None = None,
        until: datetime | None = None,
    ) -> CastEntry:
        """Let a user put this person into scenes: so many, until then, for that; see ``Vault.allow``."""
        return self.vault.allow(bare(handle), user, uses=uses, scenes=scenes, until=until)

    def issue_grant(
        self,
        handle: str,
        out: str | os.PathLike[str],
        *,
        user: str,
        audience: str,
        uses: Iterable[Use] = (),
        scenes: int | None = None,
        until: datetime | None = None,
    ) -> SignedGrant:
        """What a user may do with this person, signed for another home and written to a file; see ``Vault.issue``."""
        check_target(out)
        grant = self.vault.issue(bare(handle), user, audience, uses=uses, scenes=scenes, until=until)
        grant.save(Path(out))
        return grant

    def accept_grant(self, path: str | os.PathLike[str]) -> CastEntry:
        """Take such a grant in the home it is for; see ``Vault.accept``."""
        return self.vault.accept(SignedGrant.load(Path(path)))

    def deny(self, handle: str, *, user: str) -> CastEntry:
        """Take that back."""
        return self.vault.deny(bare(handle), user)

    def may(
        self, handle: str, *, user: str = "owner", purpose: Use = "generate", prompt: str | None = None
    ) -> Permission:
        """Whether a user may use this person now, without opening them; with a ``prompt``, for that scene."""
        return self.vault.may(bare(handle), user, purpose, prompt=prompt)

    def forbid(self, handle: str, words: str) -> CastEntry:
        """The person never wants to appear in this: a topic of ``cameo.rules.TOPICS``, or words."""
        return self.vault.forbid(bare(handle), rule(words))

    def lift(self, handle: str, words: str) -> CastEntry:
        """Take such a rule back."""
        return self.vault.lift(bare(handle), rule(words))

    def uses(self, handle: str) -> History:
        """Every scene with this person in it, and every time they were opened."""
        return self.vault.history(bare(handle))

    def delete_scene(self, handle: str, sha256: str) -> DeletedScene:
        """The person wants a scene gone: its file, where it still lies where it was written and is still that file,
        and what is kept of it. Of copies made elsewhere nothing is known; ``check`` goes on telling them.

        Raises:
            UsageError: they are in no such scene.
            InputRefused: the file is there and cannot be deleted.
        """
        record = self.vault.find_scene(sha256)
        path = Path(record.detail.path) if record is not None and record.detail is not None else None
        person = self.vault.show(bare(handle)).identity_id
        if record is None or person not in [role.identity_id for role in record.cast]:
            raise UsageError(f"@{bare(handle)} is in no scene {sha256[:80]}", hint=f"see: cameo uses {handle}")
        gone = path is not None and _delete_if_it_is(path, sha256)
        self.vault.forget_scene(bare(handle), sha256)
        return DeletedScene(sha256, path, gone)

    def export(self, handle: str, out: str | os.PathLike[str], *, passphrase: str) -> Path:
        """A person as one encrypted, signed file, for another home; see ``Vault.export``.

        Raises:
            InputRefused: the file cannot be written.
        """
        check_target(out)
        return write_small(out, self.vault.export(bare(handle), passphrase))

    def take(
        self,
        package: str | os.PathLike[str],
        *,
        passphrase: str,
        trust: str | None = None,
        status: str | os.PathLike[str] | None = None,
        again: bool = False,
    ) -> CastEntry:
        """A person from another home: see ``Vault.take``.

        Args:
            package: the file ``export`` made.
            status: the newest status list of the home it comes from, as a file.

        Raises:
            InputRefused: the file cannot be read.
        """
        path = Path(package)
        try:
            with path.open("rb") as file:
                content = file.read(PACKAGE_BYTES + 1)
        except OSError as error:
            raise InputRefused(f"the package {path} cannot be read: {error.strerror}") from None
        offered = StatusList.load(Path(status)) if status is not None else None
        return self.vault.take(content, passphrase, trust=trust, status=offered, again=again)

    def revoke(self, handle: str, *, reason: str | None = None, never_again: bool = False) -> Certificate:
        """End an identity: its key is destroyed first, then everything else. There is no way back.

        ``never_again``: the person asks not to be enrolled again; see ``Vault.revoke``.
        """
        return self.vault.revoke(bare(handle), reason, never_again=never_again)

    def suspend(self, handle: str, *, reason: str | None = None) -> CastEntry:
        """Keep a person out of every scene, also those being made, until ``resume``."""
        return self.vault.suspend(bare(handle), reason)

    def resume(self, handle: str) -> CastEntry:
        """Let a suspended person into scenes again."""
        return self.vault.resume(bare(handle))

    def publish_status(self, out: str | os.PathLike[str], *, age: timedelta = GREATEST_AGE) -> StatusList:
        """Write the signed status list of now, for generators that cannot ask this home; see ``Vault.status_list``.

        Raises:
            UsageError: it cannot be good for that long.
            StatusListInvalid: the file cannot be written.
        """
        published = self.vault.status_list(age)
        published.save(Path(out))
        return published

    def accept_status(self, path: str | os.PathLike[str], *, trust: Iterable[str] = ()) -> StatusList:
        """Hold a status list to its signature, its age and the one known before, and remember it in this home. Who came
        from its issuer and is revoked there is destroyed here too.

        Args:
            path: the file.
            trust: thumbprints of issuers whose lists count; none for this home's own and those its people come from.

        Raises:
            StatusListInvalid, StatusListNotInForce, StatusListRolledBack: see ``StatusReader.accept``.
        """
        offered = StatusList.load(Path(path))
        origins = self.vault.origins()
        held = StatusReader(self.home / "status", frozenset(trust) or self.vault.trusted | origins).accept(offered)
        if held.signer in origins:
            self.vault.heed(held)
        return held

    def unbar(self, certificate_id: str) -> None:
        """Somebody who asked not to be enrolled again has changed their mind; see ``Vault.unbar``."""
        self.vault.unbar(certificate_id)

    def backup(self, folder: str | os.PathLike[str]) -> Path:
        """A copy of the vault as of now, without its master key; see ``Vault.backup``."""
        target = Path(folder).expanduser().absolute()
        self.vault.backup(target)
        return target

    def restore(self, folder: str | os.PathLike[str], *, status: str | os.PathLike[str] | None = None) -> int:
        """Put a copy in the place of this home's vault. Whoever left since is destroyed before anybody is served: those
        of the newest status list this home knows, and of ``status``.

        Returns:
            How many had left and were in the copy.

        Raises:
            InputRefused: the folder holds no copy of a vault.
            StatusListInvalid: ``status`` does not verify.
            StoreDamaged: the home's master key is not that of the copy.
        """
        copy, before = Path(folder), people_in(Path(folder))
        if status is not None:
            # In its place before the copy is: whoever opens the vault first heeds it.
            offered = StatusList.load(Path(status))
            StatusReader(self.home / "status", {offered.signer}).accept(offered, any_age=True)
        self.__dict__["vault"] = Vault.restore(copy, self.home, database=self._database, blobs=self._blobs)
        return len(before - {entry.identity_id for entry in self.vault.cast()})

    def verify_log(self) -> LedgerHead:
        """Check the vault and its ledger from end to end. Raises StoreDamaged at the first thing that does not fit."""
        return self.vault.verify_log()

    @property
    def log_key(self) -> Verifier:
        """What others need to check this home's ledger and proofs of it; as text, a verifier key."""
        return self.vault.log_key

    def prove(self, handle: str | None = None, *, seq: int | None = None) -> Inclusion:
        """Prove that a line is in the ledger: the last one about a person, or line ``seq``; see ``Vault.prove``."""
        return self.vault.prove(handle=None if handle is None else bare(handle), seq=seq)

    def prove_growth(self, since: int | Checkpoint | str | os.PathLike[str]) -> Growth:
        """Prove that lines were only added since an earlier state: its size, its checkpoint, or the file of one.

        Raises:
            ProofInvalid: the file holds no checkpoint of this ledger.
        """
        if not isinstance(since, (int, Checkpoint)):
            since = read_checkpoint(Path(since), self.log_key)
        return self.vault.prove_growth(since)

    def export_log(self, folder: str | os.PathLike[str]) -> Checkpoint:
        """The ledger as a folder of C2SP tiles, which shows nobody's name; see ``Vault.export_log``."""
        return self.vault.export_log(Path(folder))

    def check_log(
        self, path: str | os.PathLike[str], *, key: str, since: str | os.PathLike[str] | None = None
    ) -> Shown:
        """What a proof, a deletion certificate or an exported folder shows of somebody's ledger. Opens no vault.

        Args:
            key: the verifier key of that ledger, from whoever keeps it.
            since: a file with an earlier checkpoint of it, which a proof of growth must start at.

        Raises:
            ProofInvalid, CertificateInvalid: it shows nothing.
        """
        return check_evidence(Path(path), Verifier.parse(key), Path(since) if since is not None else None)

    def generate(
        self,
        prompt: str,
        *,
        out: str | os.PathLike[str],
        user: str = "owner",
        seed: int = 0,
        seconds: float | None = None,
        model: str = "nano",
        identity_scale: float = 1.0,
        presences: Mapping[str, Presence] | None = None,
        equipment: Equipment | None = None,
        references: References | None = None,
        progress: Progress | None = None,
    ) -> SceneResult:
        """Make a scene with the people the prompt names.

        Whether they allow it is asked before a model is loaded, again at every denoising step, and when the scene is
        recorded; a scene nobody recorded is never written. It carries a visible label (``CAMEO_LABEL=off`` leaves it
        out), a signed manifest, and a fingerprint of it is kept.

        Args:
            prompt: see ``cameo.script``.
            out: the MP4 to write.
            user: for whom; the people's grants decide.
            seed: the same seed gives the same frames and sound.
            seconds: up to 20; None for the model's default.
            model: ``nano``, a folder, or a hub id (see ``cameo.backbones.load``).
            identity_scale: strength of the likeness, 0 to 4.
            presences: by handle, where somebody may be drawn and when heard, instead of what the prompt says.
            equipment: an adapter in place of the model's own, and LoRAs beside its own.
            references: what of the people is shown to the model as it is: a voice, crops, a first frame.

        Raises:
            PromptInvalid, InputRefused: the prompt, the path or a number cannot serve.
            CastRefused: more than four people, or two in one region.
            UnknownHandle, Revoked, Suspended, PermissionDenied, ConsentExpired, RuleBroken: refused.
            SignerInvalid: the certificate that scenes are signed with is over.
            WeightsMissing: the model is not on this machine.
            AdapterMismatch, AdapterUnreadable, LoraMismatch: what is put on it does not fit, or does nothing.
        """

        tell = progress or (lambda doing, share: None)
        script = parse(prompt)
        references = references or References()
        references.speaker([role.handle for role in script.cast])  # refused before anybody is asked
        target = check_target(out)
        _require_within("seconds", seconds, 0.0, _LONGEST)
        _require_within("identity scale", identity_scale, 0.0, _STRONGEST)
        _require_within("seed", seed, 0, 2**63 - 1)
        authority = self.signer.authority  # now, and not when all is drawn
        if presences or len(script.cast) > 1:
            from cameo.staging import stage

            stage(script, seconds or 1.0, presences)  # refused before anybody is asked
        with ExitStack() as stack:
            leases = [
                stack.enter_context(self.vault.lease(role.handle, user=user, prompt=prompt)) for role in script.cast
            ]
            tell("opening the model", 0.0)
            began = time.perf_counter()
            lora = self._own_lora(leases, model)
            backbone = self._backbone(model, equipment, references, alone=lora is not None)
            opened = time.perf_counter()

            def on_step(done: int, steps: int) -> None:
                self._require_still_allowed(leases, prompt)
                tell("drawing", 0.15 + 0.7 * done / steps)

            from cameo.generation import film, unknown_words

            made = film(
                backbone,
                script,
                [lease.identity for lease in leases],
                seed=seed,
                seconds=seconds,
                identity_scale=identity_scale,
                on_step=on_step,
                presences=presences,
                lora=lora,
                references=references,
            )
            self._require_still_allowed(leases, prompt)
            unused = tuple(
                lease.handle
                for lease in leases
                if self.vault.tuned_elsewhere(lease, backbone.name, backbone.defaults.version)
            )
            tell("writing the scene", 0.95)
            finished = time.perf_counter()
            digest = ""

            from cameo.marks import watermarks
            from cameo.marks.fingerprint import fingerprint_of
            from cameo.marks.label import label, wanted
            from cameo.scene import write_scene

            secret = b""
            frames, sound = label(made.frames) if wanted() else made.frames, made.sound
            if watermarks.used():
                secret = self.vault.watermark_secret(sha256(frames.tobytes() + sound.tobytes()).hexdigest())
                frames, sound = watermarks.embed(frames, sound, made.sample_rate, secret)

            def seal(plain: Path, marked: Path) -> None:
                nonlocal digest
                digest = self._sign(plain, marked, leases, authority, backbone, seed)
                self.vault.record_scene(
                    sha256=digest,
                    path=target,
                    identities=[lease.identity_id for lease in leases],
                    user=user,
                    prompt=prompt,
                    model=backbone.name,
                    seed=seed,
                    fingerprint=replace(fingerprint_of(frames, sound, made.sample_rate), secret=secret),
                )

            info = write_scene(target, frames, sound, made.fps, made.sample_rate, mark=seal)
        tell("done", 1.0)
        written = time.perf_counter()
        return SceneResult(
            path=info.path,
            sha256=digest,
            seconds=info.seconds,
            width=info.width,
            height=info.height,
            fps=info.fps,
            sample_rate=info.sample_rate,
            cast=tuple(role.handle for role in script.cast),
            seed=seed,
            model=backbone.name,
            timings={"open": opened - began, **made.timings, "write": written - finished},
            unknown_words=unknown_words(script.caption, backbone.defaults),
            unused_loras=unused,
        )

    def personalize(
        self,
        handle: str,
        *,
        user: str = "owner",
        model: str = "nano",
        minutes: float | None = None,
        rank: int = 16,
        seed: int = 0,
        sitting: Sitting | None = None,
        adapter: str | None = None,
        progress: Progress | None = None,
    ) -> PersonalizeResult:
        """Learn one person's own LoRA for a generator, from what their enrollment kept or from a clip of theirs. From
        then on it is used in scenes of theirs alone. It lies under their key, and dies with it.

        Args:
            user: for whom; the person's consent and grants decide whether they may be personalized.
            model: see ``generate``.
            minutes: how long to learn, 0.1 to 120; None for 3, and for 20 from a clip.
            rank: of the LoRA, 1 to 128.
            seed: of all that is drawn.
            sitting: a clip, which must show the face that is enrolled; generators that draw more than 256 px need one.
                None: from the crops and the speech that were kept.
            adapter: with a clip, an adapter in place of the model's own.

        Raises:
            UnknownHandle, Revoked, Suspended, PermissionDenied, ConsentExpired: refused.
            InputRefused: the clip shows somebody else, or the time was too short.
            AdapterMismatch: the generator cannot be taught in this way.
            WeightsMissing, ModelTooLarge: the generator cannot run here.
            BadInput: the clip cannot serve.
        """
        tell = progress or (lambda doing, share: None)
        long = minutes if minutes is not None else _MINUTES if sitting is None else _MINUTES_FROM_A_CLIP
        _require_within("minutes", long, 0.1, 120.0)
        _require_within("rank", rank, 1, 128)
        _require_within("seed", seed, 0, 2**63 - 1)
        if adapter is not None and sitting is None:
            raise UsageError("an adapter is named, and no clip to learn from with it", hint="give one: --clip FILE")
        with self.vault.lease(bare(handle), user=user, purpose="personalize") as lease:
            tell("opening the model", 0.0)

            def on_step(share: float) -> None:
                self.vault.require_still(lease)
                tell("learning", 0.05 + 0.9 * share)

            how: dict[str, Any] = {"minutes": long, "rank": rank, "seed": seed, "on_step": on_step}
            if sitting is None:
                from cameo.training.personal import personalize

                weights = personalize(self._backbone(model, distilled=False), lease.identity, **how)
            else:
                weights = self._from_clip(model, lease, sitting, adapter, how)
            tell("keeping it", 0.98)
            from cameo.backbones import version_of

            self.vault.keep_tuning(lease, model, version_of(model), weights)
        tell("done", 1.0)
        return PersonalizeResult(lease.handle, model, rank, long, len(weights))

    def _from_clip(self, model: str, lease: Lease, sitting: Sitting, adapter: str | None, how: dict[str, Any]) -> bytes:
        from cameo.backbones.preflight import preflight
        from cameo.training.adapter.generator import Generator
        from cameo.training.personal_clip import personalize_from_clip

        found = preflight(model)
        self._backbones.clear()  # two would not fit
        return personalize_from_clip(
            Generator.find(model, found.dtype),
            lease.identity,
            sitting,
            self.vault.consent(lease.handle),
            trusted=self.vault.trusted,
            adapter=adapter,
            device=found.device,
            **how,
        )

    def check(self, path: str | os.PathLike[str], *, receipt: Receipt | None = None) -> CheckResult:
        """Whose likeness is in a file, under which consent, and how that consent stands now.

        A scene made here is known by its digest. One that was changed since, or made elsewhere, still says so in its
        manifest; one whose manifest was stripped is known by what it looks and sounds like. ``found_by`` tells how far
        that can be believed.

        Args:
            path: of the file.
            receipt: what somebody took home; then ``under_receipt`` tells whether the file was made under that consent.

        Raises:
            InputRefused: there is no such file, or it is no video.
            BadInput: the receipt is not as it was signed.
        """
        if receipt is not None:
            receipt.verify()
        found = self._found(Path(path))
        return found if receipt is None else replace(found, under_receipt=found.is_under(receipt))

    def _found(self, path: Path) -> CheckResult:
        from cameo.marks import read, watermarks
        from cameo.marks.fingerprint import fingerprint_file

        scene = _video(path)
        with scene.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        record = self.vault.find_scene(digest)
        manifest = read(scene, trusted=self.signer.roots)
        if record is not None:
            return CheckResult(scene, digest, record.cast, "record", manifest)
        if manifest.cast is not None and manifest.state == "Trusted":
            return CheckResult(scene, digest, self._cast(manifest.cast), "manifest", manifest)
        carried = self.vault.find_marked(watermarks.read(scene))
        if carried is not None:
            return CheckResult(scene, digest, carried.cast, "watermark", manifest, carried.sha256)
        asked = fingerprint_file(scene)
        like = self.vault.find_like(asked) if asked is not None else None
        if like is not None:
            return CheckResult(scene, digest, like.cast, "likeness", manifest, like.sha256)
        if manifest.cast is not None:
            return CheckResult(scene, digest, self._cast(manifest.cast), "claim", manifest)
        return CheckResult(scene, digest, (), None, manifest)

    def _cast(self, told: CastAssertion) -> tuple[SceneRole, ...]:
        return self.vault.scene_cast([person.consent_id for person in told.people])

    def _own_lora(self, leases: Sequence[Lease], model: str) -> bytes | None:
        """Of the one person in the scene: two would bleed into each other."""
        from cameo.backbones import version_of

        return self.vault.tuning(leases[0], model, version_of(model)) if len(leases) == 1 else None

    def _backbone(
        self,
        model: str,
        equipment: Equipment | None = None,
        references: References | None = None,
        *,
        alone: bool = False,
        distilled: bool = True,
    ) -> Backbone:
        """The same one again, as long as it is asked for with the same things on it: two would not fit. With ``alone``
        a LoRA of the person is enough: it may be without an adapter. For scenes ``distilled``, where it was, and not
        for learning."""
        from cameo.backbones import Equipment
        from cameo.generation import open_backbone

        wanted = (equipment or Equipment(), references is not None and references.in_context, distilled)
        held, backbone = self._backbones.pop(model, (None, None))
        if backbone is None or held != wanted or (backbone.adapter is None and not (references or alone)):
            backbone = None  # before the other is loaded
            backbone = open_backbone(
                model, wanted[0], in_context=wanted[1], referred=bool(references) or alone, distilled=distilled
            )
        self._backbones[model] = (wanted, backbone)
        return backbone

    def _require_free(self, record: ConsentRecord) -> None:
        try:
            entry = self.vault.show(record.handle)
        except UnknownHandle:
            return
        if entry.consent_id == record.consent_id and entry.status == "revoked":
            raise Revoked(f"this consent for @{record.handle} was revoked", hint="a new consent is needed")
        if entry.status != "revoked":
            raise HandleTaken(
                f"somebody is enrolled as @{record.handle}",
                hint=f"choose another handle, or first: cameo revoke {record.handle}",
            )

    def _require_still_allowed(self, leases: Sequence[Lease], prompt: str) -> None:
        """What a lease was given for, asked again."""
        for lease in leases:
            try:
                lease.require_open()
                self.vault.require_still(lease, prompt=prompt)
            except (NotPermitted, ConsentExpired) as refusal:
                raise type(refusal)(
                    f"while the scene was made: {refusal.message}; it is not written", hint=refusal.hint
                ) from None

    def _sign(
        self, plain: Path, marked: Path, leases: Sequence[Lease], authority: Authority, backbone: Backbone, seed: int
    ) -> str:
        from cameo.marks import StatusEntry, cast_assertion, embed

        people = {lease.identity_id: lease.consent_id for lease in leases}
        status_list = list_id_of(thumbprint(self.vault.operator))
        statuses = {
            lease.identity_id: StatusEntry(index=self.vault.show(lease.handle).status_index, list=status_list)
            for lease in leases
        }
        # A path says where on this machine a model lies; the world need not know.
        name = Path(backbone.name).name if Path(backbone.name).is_dir() else backbone.name
        cast = cast_assertion(
            people,
            model=name,
            seed=seed,
            statuses=statuses,
            consents={lease.identity_id: self.vault.consent(lease.handle).digest() for lease in leases},
            adapter=backbone.adapter_sha256,
            loras=backbone.loras_sha256,
        )
        embed(plain, marked, cast, authority, version=__version__)
        with marked.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()


def _delete_if_it_is(path: Path, sha256: str) -> bool:
    """Whether that very file was there; then it is no more."""
    try:
        with path.open("rb") as file:
            if file_digest(file, "sha256").hexdigest() != sha256:
                return False
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputRefused(f"{path} cannot be deleted: {error.strerror}") from None
    return True


def _require_within(what: str, value: float | None, low: float, high: float) -> None:
    if value is None or (math.isfinite(value) and low <= value <= high and not (what == "seconds" and value == 0)):
        return
    raise InputRefused(f"{what} is {value}, expected {low:g} to {high:g}")


def _video(path: Path) -> Path:
    """The absolute path of a file PyAV can open."""
    import av

    target = path.expanduser().absolute()
    if target.is_dir():
        raise InputRefused(f"{target} is a folder, expected a scene")
    try:
        with av.open(str(target)) as container:
            if container.streams.video:
                return target
    except FileNotFoundError:
        raise InputRefused(f"there is no file {target}") from None
    except (av.FFmpegError, OSError, ValueError):
        pass
    raise InputRefused(f"{target} is no video", hint="give a scene written by cameo generate")
