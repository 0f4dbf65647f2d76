"""Who may use a person: leases, grants, rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from pydantic import ValidationError

from cameo.errors import NotPermitted, Revoked, StatusListInvalid, UsageError
from cameo.vault.core import Core, seconds
from cameo.vault.entries import CastEntry, Permission, Terms
from cameo.vault.grants import OWNER, principal, require_narrower, set_grant
from cameo.vault.lease import LEASE_LIFE, Lease
from cameo.vault.rules import add_rule, drop_rule
from enroll.consent import Use
from enroll.errors import ConsentExpired, ConsentInvalid

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
        """
        try:
            terms = Terms(principal=principal(user), allowed=True, uses=tuple(uses), scenes=scenes, until=until)
        except ValidationError as error:
            raise UsageError(f"this makes no grant: {error.errors()[0]['msg']}") from None
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
        """
        return self._rule(handle, rule, kept=False)

    def _grant(self, handle: str, terms: Terms) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if terms.allowed:
                require_narrower(terms, self._people.consent(session, owner))
            set_grant(session, self._secrets.master, owner, terms)
            detail = terms.model_dump(
                mode="json", include={"principal", "uses", "scenes", "until"}, exclude_defaults=True
            )
            written = {name: value if isinstance(value, str) else json.dumps(value) for name, value in detail.items()}
            self._ledger.append(session, "allow" if terms.allowed else "deny", written, at=seconds(now), owner=owner)
            return self._people.entry(session, row, now)

    def _rule(self, handle: str, rule: str, *, kept: bool) -> CastEntry:
        now = self._clock()
        with self._database.transaction() as session:
            row = self._people.alive(session, handle)
            owner = self._people.owner(row)
            if kept:
                add_rule(session, self._secrets.master, owner, rule)
            elif not drop_rule(session, self._secrets.master, owner, rule):
                raise UsageError(f"@{handle} has no such rule", hint=f"see: cameo show {handle}")
            self._ledger.append(session, "forbid" if kept else "lift", {"rule": rule}, at=seconds(now), owner=owner)
            return self._people.entry(session, row, now)
