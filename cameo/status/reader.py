"""The relying side: remembers the last list of each issuer, and believes none that goes back.

A reader without a network goes on with the list it remembers until that is past its greatest age, and then refuses.
What is remembered is the signed document itself, verified whenever it is read. Whoever can put an old file back into
the reader's folder, or set its clock back, can have an old list believed; so does whoever owns the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cameo.errors import StatusListInvalid, StatusListNotInForce, StatusListRolledBack
from cameo.status.document import Standing, StatusList
from enroll.files import drop_unfinished, make_folder

__all__ = ["StatusReader"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class StatusReader:
    """The last lists of some issuers, one file each. Several processes may use one folder.

    Args:
        folder: where they are remembered; made with mode 0700 when first needed.
        trusted: thumbprints of the issuers whose lists count.
        clock: gives the time in UTC.
    """

    def __init__(
        self, folder: str | Path, trusted: Collection[str], *, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._folder = Path(folder)
        self._trusted = frozenset(trusted)
        self._clock = clock

    def accept(self, offered: StatusList, *, any_age: bool = False) -> StatusList:
        """Take a list if it is no older than the one remembered. The same one again changes nothing.

        Args:
            any_age: also one that is past its greatest age, which nobody may rely on and which still says who is gone.

        Returns:
            The list that is remembered now.

        Raises:
            StatusListInvalid: it does not verify, is of a stranger, or cannot be written down.
            StatusListNotInForce: it is past its greatest age, or from the future.
            StatusListRolledBack: its epoch is behind the one remembered, or it says otherwise under the same one, or
                it is shorter.
        """
        offered.verify(self._trusted)
        if not any_age:
            offered.require_in_force(self._clock())
        with self._locked():
            held = self.last(offered.signer)
            if held is not None:
                _require_no_step_back(held, offered)
                if (offered.epoch, offered.valid_until) <= (held.epoch, held.valid_until):
                    return held
            offered.save(self._path(offered.signer))
        return offered

    def held(self, issuer: str) -> StatusList:
        """The remembered list of an issuer (a thumbprint), if it can be relied on now.

        Raises:
            StatusListInvalid: what is remembered does not verify.
            StatusListNotInForce: there is none, or it is past its greatest age, or from the future.
        """
        held = self.last(issuer)
        if held is None:
            raise StatusListNotInForce(
                f"no status list of {issuer[:80]} is here",
                hint="get one from its issuer, then: cameo status check FILE",
            )
        held.require_in_force(self._clock())
        return held

    def standing(self, issuer: str, index: int) -> Standing:
        """``valid``, ``suspended`` or ``revoked``, as the remembered list has it.

        Raises:
            StatusListInvalid: no list reaches that far, or as ``held``.
            StatusListNotInForce: as ``held``.
        """
        return self.held(issuer).standing(index)

    def last(self, issuer: str) -> StatusList | None:
        """The remembered list of an issuer, whatever its age; None where there is none.

        Raises:
            StatusListInvalid: what is remembered does not verify, or nobody trusts this issuer.
        """
        if issuer not in self._trusted:
            raise StatusListInvalid(f"nobody here trusts the lists of {issuer[:80]}")
        path = self._path(issuer)
        if not path.exists():
            return None
        try:
            held = StatusList.load(path)
            held.verify({issuer})
        except StatusListInvalid as error:
            raise StatusListInvalid(
                f"the remembered status list {path} does not hold: {error.message}",
                hint="remove it, and take the newest list from its issuer",
            ) from None
        return held

    def tidy(self) -> None:
        """Remove what a process that was killed left half-written. Raises OSError where that cannot be."""
        with self._locked():
            drop_unfinished(self._folder)

    def _path(self, issuer: str) -> Path:
        return self._folder / f"{issuer}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Comparing and writing are one act: of two processes, the one with the older list must see the newer."""
        import fcntl  # not everywhere; what else a house does needs none

        try:
            make_folder(self._folder, 0o700)
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise StatusListInvalid(
                f"{self._folder} cannot hold status lists: {error.strerror}",
                hint="free some space, or choose another folder",
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _require_no_step_back(held: StatusList, offered: StatusList) -> None:
    """Raises StatusListRolledBack: see ``StatusReader.accept``."""
    hint = "get the newest list from its issuer"
    if offered.epoch < held.epoch:
        raise StatusListRolledBack(
            f"the status list is of epoch {offered.epoch}, and one of epoch {held.epoch} is known here", hint=hint
        )
    if offered.epoch == held.epoch and not offered.says_the_same_as(held):
        raise StatusListRolledBack(f"two status lists of epoch {offered.epoch} say different things", hint=hint)
    if offered.size < held.size:
        raise StatusListRolledBack(
            f"the status list has {offered.size} entries, and one of {held.size} is known here", hint=hint
        )
