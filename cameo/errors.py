"""Every way Cameo can refuse, beyond what enrollment refuses (``enroll.errors``).

    KitError                    base of both packages: code, message, hint
    ├─ EnrollError              see enroll.errors
    └─ CameoError
       ├─ UsageError            usage                     2   bad words on the command line
       ├─ InputRefused                                    3   the input cannot serve; nothing was stored
       │  ├─ PromptInvalid      bad_input
       │  ├─ CertificateInvalid bad_input
       │  ├─ GrantInvalid       grant_invalid
       │  ├─ PackageInvalid     package_invalid
       │  ├─ SignerInvalid      signer_invalid
       │  ├─ StatusListInvalid  status_list_invalid
       │  ├─ ProofInvalid       bad_input
       │  └─ HandleTaken        handle_taken
       ├─ NotPermitted                                    4   refused; nothing was generated
       │  ├─ PermissionDenied   cameo_permission_denied
       │  ├─ RuleBroken         rule_broken
       │  ├─ Revoked            cameo_revoked
       │  ├─ Suspended          cameo_suspended
       │  ├─ AlreadyEnrolled    already_enrolled
       │  ├─ EnrollmentRefused  enrollment_barred
       │  ├─ ChallengeUsed      challenge_used
       │  ├─ StatusListRolledBack  status_list_rolled_back
       │  ├─ StatusListNotInForce  status_list_not_in_force
       │  └─ UnknownHandle      unknown_handle
       ├─ ModelTooLarge        model_too_large           5   a model that does not fit into this machine
       └─ StoreError                                      6   the vault cannot be relied on, or cannot take more
          ├─ StoreDamaged       store_damaged
          ├─ StoreFull          store_full
          ├─ StoreBusy          store_busy
          └─ StoreUnreachable   store_unreachable

A message is one line a person can act on. It never holds biometric data, a key, or a prompt.
"""

from __future__ import annotations

from enroll.errors import KitError

__all__ = [
    "AlreadyEnrolled",
    "CameoError",
    "CertificateInvalid",
    "ChallengeUsed",
    "EnrollmentRefused",
    "GrantInvalid",
    "HandleTaken",
    "InputRefused",
    "ModelTooLarge",
    "NotPermitted",
    "PackageInvalid",
    "PermissionDenied",
    "PromptInvalid",
    "ProofInvalid",
    "Revoked",
    "RuleBroken",
    "SignerInvalid",
    "StatusListInvalid",
    "StatusListNotInForce",
    "StatusListRolledBack",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreUnreachable",
    "Suspended",
    "UnknownHandle",
    "UsageError",
]


class CameoError(KitError):
    """Base of what ``cameo`` raises on its own account."""


class UsageError(CameoError):
    """The command line, or a call, does not say what to do."""

    code = "usage"
    exit_status = 2


class InputRefused(CameoError):
    """What was given cannot serve. Nothing was stored or generated."""

    code = "bad_input"
    exit_status = 3


class PromptInvalid(InputRefused):
    """The prompt names nobody, or cannot be read."""


class CertificateInvalid(InputRefused):
    """This is no deletion certificate, or not one anybody here trusts."""


class GrantInvalid(InputRefused):
    """This is no grant, not one of the home that the person comes from, or not one for here and now."""

    code = "grant_invalid"


class SignerInvalid(InputRefused):
    """This is no certificate that scenes can be signed with, or its time is over."""

    code = "signer_invalid"


class StatusListInvalid(InputRefused):
    """This is no status list, or not one anybody here trusts."""

    code = "status_list_invalid"


class PackageInvalid(InputRefused):
    """This is no package of a person, not one of a home that is trusted here, or another passphrase's."""

    code = "package_invalid"


class ProofInvalid(InputRefused):
    """This is no checkpoint, key or proof of a ledger, or it does not hold."""


class HandleTaken(InputRefused):
    """Someone is enrolled under this handle already."""

    code = "handle_taken"


class NotPermitted(CameoError):
    """Refused on the person's behalf. Nothing was generated."""

    code = "cameo_permission_denied"
    exit_status = 4


class PermissionDenied(NotPermitted):
    """No grant lets this user do this."""


class RuleBroken(NotPermitted):
    """The person never wants to appear in such a scene."""

    code = "rule_broken"


class Revoked(NotPermitted):
    """The person took their identity back; it no longer exists."""

    code = "cameo_revoked"


class Suspended(NotPermitted):
    """The person is out of every scene for now; they, or the operator, can resume."""

    code = "cameo_suspended"


class AlreadyEnrolled(NotPermitted):
    """The person is here under another handle, as far as their face or voice tells. Nothing was stored."""

    code = "already_enrolled"


class EnrollmentRefused(NotPermitted):
    """The person left and asked not to be enrolled again. Nothing was stored."""

    code = "enrollment_barred"


class ChallengeUsed(NotPermitted):
    """A live challenge, or the clip that answers it, has served already."""

    code = "challenge_used"


class StatusListRolledBack(NotPermitted):
    """A status list is older than one that is known already, or contradicts it."""

    code = "status_list_rolled_back"


class StatusListNotInForce(NotPermitted):
    """There is no status list young enough to rely on."""

    code = "status_list_not_in_force"


class UnknownHandle(NotPermitted):
    """Nobody was ever enrolled under this handle here."""

    code = "unknown_handle"


class ModelTooLarge(CameoError):
    """A model that does not fit into the memory of this machine, in no way of running it."""

    code = "model_too_large"
    exit_status = 5


class StoreError(CameoError):
    """The vault cannot be relied on, or cannot take more."""

    code = "store_damaged"
    exit_status = 6


class StoreDamaged(StoreError):
    """Something in the vault does not verify: a key, a ciphertext, the database or the ledger."""

    def __init__(self, message: str, *, hint: str = "restore the vault from a backup") -> None:
        super().__init__(message, hint=hint)


class StoreFull(StoreError):
    """There was no room. Nothing was stored."""

    code = "store_full"


class StoreBusy(StoreError):
    """Another process holds the vault. Nothing was changed."""

    code = "store_busy"


class StoreUnreachable(StoreError):
    """The database server or the object storage does not answer, or does not let this machine in."""

    code = "store_unreachable"
