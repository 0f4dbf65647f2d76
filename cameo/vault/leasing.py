"""Who may use a person: leases, grants, rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from joserfc.jwk import OKPKey
from pydantic import ValidationError

from cameo.errors import GrantInvalid, NotPermitted, PermissionDenied, Revoked, StatusListInvalid, UsageError
from cameo.vault.core import Core, seconds
from cameo.vault.entries import CastEntry, Permission, Terms
from cameo.vault.grants import OWNER, principal, read_grants, require_narrower, require_within, set_grant, spend
from cameo.vault.lease import LEASE_LIFE, Lease
from cameo.vault.rules import add_rule, drop_rule
from cameo.vault.signed_grant import SignedGrant
from enroll.consent import ConsentRecord, Use
from enroll.errors import ConsentExpired, ConsentInvalid
from enroll.signature import thumbprint

__all__ = ["Leasing"]


class Leasing(Core):
    """The part of a vault that says yes or no."""

    def lease(self, handle: str, user: str = OWNER, purpose: Use = "generate", *, prompt: str | None = None) -> Lease:
        """Open a person for a purpose, if at this moment their consent is in force and covers it and the user may.

        Args:
            prompt: what is to be made; None where there is no prompt. Their rules are held against it.

        Raises:
            Revoked, UnknownHandle, ConsentExpired, PermissionDenied, RuleBroken: refused.
        """
        now = self._clock()
        with self._database.transaction() as session:
            permitted = self._permit(session, handle, user, purpose, prompt)
            identity = self._people.identity(permitted.row, self._blobs)
            detail = {"user": user, "purpose": purpose}
            self._ledger.append(session, "lease", detail, at=seconds(now), owner=permitted.owner)
        expires = min(now + LEASE_LIFE, permitted.until)
        return Lease(identity, user=user, purpose=purpose, expires=expires, clock=self._clock)

    def may(
        self, handle: str, user: str = OWNER, purpose: Use = "generate", *, prompt: str | None = None
    ) -> Permission:
        """What ``lease`` would say, without opening anybody."""
        with self._reading() as session:
            try:
                permitted = self._permit(session, handle, user, purpose, prompt)
            except (NotPermitted, ConsentExpired, ConsentInvalid, StatusListInvalid) as refusal:
                return Permission(allowed=False, code=refusal.code, message=refusal.message, hint=refusal.hint)
        return Permission(allowed=True, until=permitted.until, scenes_left=permitted.terms.left)

    def require_still(self, lease: Lease, *, prompt: str | None = None) -> None:
        """Whether what a lease was given for would be given again, to the same person; with a ``prompt``, for that.

        Raises:
            Revoked, ConsentExpired, Suspended, PermissionDenied, RuleBroken: it would not.
        """
        with self._reading() as session:
            row = self._people.find(session, lease.handle)
            if row.identity_id != lease.identity_id:
                raise Revoked(f"@{lease.handle} was revoked", hint="only a new clip can bring them back")
            self._permit(session, lease.handle, lease.user, lease.purpose, prompt)

    def allow(
        self,
        handle: str,
        user: str,
        *,
        uses: Iterable[Use] = (),
        scenes: int | None = None,
        until: datetime | None = None,
    ) -> CastEntry:
        """Let a user (or ``everyone``) use a person's identity, in place of what they were allowed before.

        Args:
            uses: what for; empty for all the person consented to.
            scenes: how many may be made; None for any number.
            until: when it ends; None: with the consent.

        Raises:
            UsageError: that reaches beyond the consent, or the owner is to be limited.
            PermissionDenied: they are from another home, and it reaches beyond what that home allowed.
        """
        terms = _terms(principal(user), uses, scenes, until)
        if terms.principal == OWNER and (terms.uses or terms.scenes or terms.until):
            raise UsageError("the owner always may", hint="limits are for others")
        return self._grant(handle, terms)

    def deny(self, handle: str, user: str) -> CastEntry:
        """Take it back. A no by name holds against ``everyone``.

        Raises:
            UsageError: the owner cannot be denied; that is what revoking is for.
        """
        if principal(user) == OWNER:
            raise UsageError("the owner always may", hint=f"to end it for everybody: cameo revoke {handle}")
        return self._grant(handle, Terms(principal=principal(user), allowed=False))

    def forbid(self, handle: str, rule: str) -> CastEntry:
        """The person never wants to appear in this; ``rule`` as ``cameo.rules.rule`` gives it."""
        return self._rule(handle, rule, kept=True)

    def lift(self, handle: str, rule: str) -> CastEntry:
        """Take such a rule back.

        Raises:
            UsageError: there is none.
            PermissionDenied: they are from another home.
        """
        return self._rule(handle, rule, kept=False)

    def issue(
        self,
        handle: str,
        user: str,
        audience: str,
        *,
        uses: Iterable[Use] = (),
        scenes: int | None = None,
        until: datetime | None = None,
    ) -> SignedGrant:
        """What a user may do here, signed for another home; see ``signed_grant``.

        Args:
            audience: thumbprint of that home.
            uses, scenes, until: narrower than here; left out, as far as here. Where the user may make so many scenes,
                those that are signed away are made no more here.

        Raises:
            Revoked, UnknownHandle, ConsentExpired, Suspended: there is nobody to use.
            PermissionDenied: the user may not, or not so much; or the person is from another home.
            UsageError: this makes no grant.
        """
        now = self._clock()
        with self._database.transaction() as session:
            permitted = self._permit(session, handle, user, None, None)
            owner, here = permitted.owner, permitted.terms
            if permitted.row.origin is not None:
                raise PermissionDenied(f"@{handle} was not enrolled here", hint="ask the home they come from")
            if scenes is None:
                scenes = here.left
            asked = _terms(principal(user), uses or here.uses, scenes, until or here.until)
            if asked.principal == OWNER:
                raise UsageError("the owner needs no grant", hint="their identity goes with them: cameo export")
            require_narrower(asked, permitted.consent)
            require_within(asked, {asked.principal: here}, handle)
            grant = _signed(asked, permitted.consent, audience, now=now, key=self.operator)
            if here.scenes is not None:
                spend(session, self._secrets.master, owner, here, scenes or 0)
            detail = {"grant": grant.grant_id, "audience": audience, **_written(grant.terms())}
            self._ledger.append(session, "issue", detail, at=seconds(now), owner=owner)
            return grant

    def accept(self, grant: SignedGrant) -> CastEntry:
        """Take a grant by the home that a person comes from, in place of what that user was allowed before. To take
        the same one again changes nothing.

        Raises:
            Revoked, UnknownHandle: there is nobody it is for.
            GrantInvalid: it is not by that home, not for this one, over, beyond the consent, or older than what stands.
        """
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, grant.handle)
            owner = self._people.owner(row)
            consent = self._people.consent(session, owner)
            origin = row.origin
            grant.verify(
                now=now,
                audience=thumbprint(self.operator),
                trusted={origin.issuer} if origin is not None else self.trusted,
            )
            if grant.consent_id != consent.consent_id:
                raise GrantInvalid(f"grant {grant.grant_id} rests on another consent than @{grant.handle} gave")
            terms = grant.terms()
            try:
                require_narrower(terms, consent)
            except UsageError as error:
                raise GrantInvalid(f"grant {grant.grant_id}: {error.message}") from None
            stands = read_grants(session, owner).get(terms.principal)
            if stands is not None and stands.given is not None and grant.issued <= stands.given:
                if terms == stands.model_copy(update={"made": 0}):
                    return self._people.entry(session, row, now)
                raise GrantInvalid(
                    f"grant {grant.grant_id} is older than what was said to {terms.principal} since",
                    hint="ask for a new one",
                )
            set_grant(session, self._secrets.master, owner, terms)
            detail = {"grant": grant.grant_id, **_written(terms)}
            self._ledger.append(session, "accept", detail, at=seconds(now), owner=owner)
            return self._people.entry(session, row, now)

    def _grant(self, handle: str, terms: Terms) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if terms.allowed:
                require_narrower(terms, self._people.consent(session, owner))
                if row.origin is not None:
                    require_within(terms, read_grants(session, owner), handle)
            set_grant(session, self._secrets.master, owner, terms.model_copy(update={"given": now}))
            self._ledger.append(
                session, "allow" if terms.allowed else "deny", _written(terms), at=seconds(now), owner=owner
            )
            return self._people.entry(session, row, now)

    def _rule(self, handle: str, rule: str, *, kept: bool) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if kept:
                add_rule(session, self._secrets.master, owner, rule)
            elif row.origin is not None:
                raise PermissionDenied(
                    f"@{handle} was enrolled in another home; a rule of theirs is lifted there alone",
                    hint="ask the home they come from",
                )
            elif not drop_rule(session, self._secrets.master, owner, rule):
                raise UsageError(f"@{handle} has no such rule", hint=f"see: cameo show {handle}")
            self._ledger.append(session, "forbid" if kept else "lift", {"rule": rule}, at=seconds(now), owner=owner)
            return self._people.entry(session, row, now)


def _terms(who: str, uses: Iterable[Use], scenes: int | None, until: datetime | None) -> Terms:
    try:
        return Terms(principal=who, allowed=True, uses=tuple(uses), scenes=scenes, until=until)
    except ValidationError as error:
        raise UsageError(f"this makes no grant: {error.errors()[0]['msg']}") from None


def _signed(terms: Terms, consent: ConsentRecord, audience: str, *, now: datetime, key: OKPKey) -> SignedGrant:
    try:
        return SignedGrant.of(terms, consent, audience=audience, now=now, key=key)
    except ValidationError:
        raise UsageError(
            f"{audience[:80]!r} is no thumbprint of a home", hint="ask there for what this prints: cameo keys"
        ) from None


def _written(terms: Terms) -> dict[str, str]:
    """As the ledger has it."""
    detail = terms.model_dump(mode="json", include={"principal", "uses", "scenes", "until"}, exclude_defaults=True)
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in detail.items()}
