"""After a fault: is the act wholly there or wholly absent, and was what it said the truth?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cameo.vault import Vault
from enroll.errors import KitError
from tests.cameo.vault.conftest import Clock
from tests.faults.acts import Act
from tests.faults.picture import Canaries, picture, unsound
from tests.faults.stage import Stage
from tests.faults.trying import Told

__all__ = ["Judge"]

Sight = tuple[dict[str, Any], Any]
"""The home, and what was written out of it."""


class Judge:
    """Of one act.

    Args:
        ready: as everything was before it.
        root: where it is done. It was done there once without a fault, and that is looked at here.
        canaries: what must be in plain nowhere.
    """

    def __init__(self, act: Act, ready: Stage, root: Path, canaries: Canaries) -> None:
        self._act, self._ready, self._root = act, ready, root
        self._canaries = canaries
        self._after, wrong = self._look()
        ready.copy(root)
        self._before, more = self._look()
        if wrong or more:
            raise AssertionError(f"wrong without any fault: {wrong + more}")

    def after_fault(self, told: Told, fault: str, *, again: bool) -> list[str]:
        """Of the stage as it is now, and of what the process said.

        Args:
            again: see whether what is absent can be done now.
        """
        found = [] if told.error is None or told.typed else ["that is no error of ours, or says not what to do"]
        if fault != "dead":
            # Who could still tidy up has done so.
            found += [f"{path.relative_to(self._root)} is left behind" for path in self._root.glob("out/**/.*")]
        found += self._judge(told.error is None, again=again)
        return [f"{wrong} [said: {told.error or 'done'}]" for wrong in found]

    def after_power(self, acknowledged: bool) -> list[str]:
        """Of the stage as it was rebuilt; ``acknowledged``: the power failed after the act had returned."""
        return self._judge(acknowledged, again=False)

    def _judge(self, acknowledged: bool, *, again: bool) -> list[str]:
        try:
            now, found = self._look()
        except KitError as error:
            return [f"it does not open: {type(error).__name__}: {error.message}"]
        before, after = self._before, self._after
        if acknowledged:
            if now != after:
                found.append(f"it was said to be done, and is not: {_differing(now, after)}")
        elif now[0] not in (before[0], after[0]):
            found.append(f"half in the home: {_differing(now, before)}; {_differing(now, after)}")
        elif now[1] not in (before[1], after[1]):
            found.append(f"half outside: {now[1]}")
        elif now[1] != before[1] and now[0] != after[0]:
            found.append("outside, and not written down in the home")
        elif again and not found and now == before:
            found += self._once_more()
        return found

    def _once_more(self) -> list[str]:
        """What failed can be done now."""
        stage = self._stage()
        try:
            with stage.temporary():
                self._act.ready(stage)()
            now, found = self._look()
        except KitError as error:
            return [f"it cannot be done afterwards: {type(error).__name__}: {error.message}"]
        return found + ([] if now == self._after else [f"done afterwards, it is not the same: {now[1]}"])

    def _look(self) -> tuple[Sight, list[str]]:
        """The stage, and what is wrong with it whatever was done."""
        stage = self._stage()
        found = self._canaries.found(self._root)
        with stage.temporary():
            vault = Vault(stage.home, clock=stage.clock)
            found += unsound(stage, vault)
            return (picture(stage, vault), self._act.outside(stage)), found

    def _stage(self) -> Stage:
        clock = Clock()
        clock.now = self._ready.clock.now
        return Stage(self._root, clock, self._ready.issuer)


def _differing(one: Sight, other: Sight) -> str:
    home = {key: (one[0][key], other[0].get(key)) for key in one[0] if one[0][key] != other[0].get(key)}
    outside = {} if one[1] == other[1] else {"outside": (one[1], other[1])}
    return str(home | outside)[:600]
