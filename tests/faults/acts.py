"""What a vault is asked to do, one act each, and how what it writes beside the vault is looked at."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cameo.errors import InputRefused, KitError, PackageInvalid, ProofInvalid, StatusListInvalid
from cameo.log.folder import verify_folder
from cameo.status import StatusList
from cameo.vault import Vault
from cameo.vault.package import unpack
from tests.faults.stage import PASSPHRASE, PROMPT, Stage, enrolled, studio

__all__ = ["ACTS", "Act"]


def _nothing(stage: Stage) -> Any:
    return None


@dataclass(frozen=True)
class Act:
    """
    Attributes:
        ready: what is not part of it is done; what it returns is the act.
        before: the stage as it must be for it.
        outside: what it wrote out of the home, told so that two that say the same are equal; None where there is
            nothing that anybody would take for whole.
    """

    ready: Callable[[Stage], Callable[[], object]]
    before: Callable[[Stage], None] = _nothing
    outside: Callable[[Stage], Any] = _nothing


def _put(stage: Stage) -> Callable[[], object]:
    vault = Vault(stage.home, clock=stage.clock)
    identity, consent = enrolled(vault, stage.clock, "eve")
    return lambda: vault.put(identity, consent)


def _first(stage: Stage) -> Callable[[], object]:
    """Somebody in a home that is made for them."""

    def act() -> None:
        vault = Vault(stage.home, clock=stage.clock)
        vault.put(*enrolled(vault, stage.clock, "eve"))

    return act


def _scene(stage: Stage) -> Callable[[], object]:
    vault = Vault(stage.home, clock=stage.clock)
    cast = [vault.show(handle).identity_id for handle in ("ada", "lin")]
    return lambda: vault.record_scene(
        sha256="b" * 64, path="other.mp4", identities=cast, user="bob", prompt=PROMPT, model="nano"
    )


def _take(stage: Stage) -> Callable[[], object]:
    vault = Vault(stage.home, clock=stage.clock)
    package, status = (stage.out / "tove.cameo").read_bytes(), StatusList.load(stage.out / "other.json")
    return lambda: vault.take(package, PASSPHRASE, trust=stage.issuer, status=status)


def _without_home(stage: Stage) -> None:
    shutil.rmtree(stage.home)


def _with_a_copy(stage: Stage) -> None:
    Vault(stage.home, clock=stage.clock).backup(stage.out / "same")


def _expired(stage: Stage) -> None:
    stage.clock.advance(days=400)


def _restore(name: str) -> Callable[[Stage], Callable[[], object]]:
    """From ``copy``, since which people have left; or from ``same``, which is as the home is."""
    return lambda stage: lambda: Vault.restore(stage.out / name, stage.home, clock=stage.clock)


def _copied(stage: Stage) -> Any:
    """Who opens from the new copy, put back under the keys of the home."""
    copy = stage.out / "new"
    if not copy.exists():
        return None
    elsewhere = Stage(stage.root / "elsewhere", stage.clock)
    elsewhere.home.mkdir(parents=True)
    for name in ("master.key", "keys.tree"):
        shutil.copy2(stage.home / name, elsewhere.home)
    try:
        vault = Vault.restore(copy, elsewhere.home, clock=stage.clock)
        for entry in vault.cast():
            if entry.suspended is None:
                vault.lease(entry.handle).close()
        return [entry.handle for entry in vault.cast()]
    except InputRefused:
        return "no copy of a vault"
    finally:
        shutil.rmtree(elsewhere.root)


def _packed(stage: Stage) -> Any:
    try:
        return unpack((stage.out / "ada.cameo").read_bytes(), PASSPHRASE)[0].grants
    except FileNotFoundError:
        return None
    except PackageInvalid as error:
        return error.message


def _published(stage: Stage) -> Any:
    try:
        told = StatusList.load(stage.out / "list.json")
        return told.epoch, told.valid_until
    except StatusListInvalid as error:
        return error.message


def _exported(stage: Stage, name: str) -> Any:
    """How many lines the folder's checkpoint promises, if all that it promises is there; what is there beyond that,
    the next export goes on from."""
    if not (stage.out / name / "checkpoint").exists():
        return None
    vault, folder = Vault(stage.home, clock=stage.clock), stage.root / "looked-at"
    shutil.copytree(stage.out / name, folder)
    try:
        while True:
            try:
                return verify_folder(folder, vault.log_key).size
            except ProofInvalid as error:
                beyond = _beyond(error, folder)
                if beyond is None:
                    return error.message
                beyond.unlink()
    finally:
        shutil.rmtree(folder)


def _beyond(error: KitError, folder: Path) -> Path | None:
    quoted, is_beyond = error.message.split("'"), error.message.endswith("is no part of this log")
    return folder / quoted[1] if is_beyond else None


def _opened(act: Callable[[Vault, Stage], object]) -> Callable[[Stage], Callable[[], object]]:
    def ready(stage: Stage) -> Callable[[], object]:
        vault = Vault(stage.home, clock=stage.clock)
        return lambda: act(vault, stage)

    return ready


def _publish(stage: Stage) -> Callable[[], object]:
    made = studio(stage)
    return lambda: made.publish_status(stage.out / "list.json")


def _export(stage: Stage) -> Callable[[], object]:
    made = studio(stage)
    return lambda: made.export("ada", stage.out / "ada.cameo", passphrase=PASSPHRASE)


def _log(name: str) -> Act:
    """Export the ledger to a folder; ``log`` holds an earlier state of it."""
    return Act(
        _opened(lambda vault, stage: vault.export_log(stage.out / name)),
        outside=lambda stage: _exported(stage, name),
    )


def _later(stage: Stage) -> None:
    stage.clock.advance(hours=1)


ACTS: Final[dict[str, Act]] = {
    "open": Act(lambda stage: lambda: Vault(stage.home, clock=stage.clock), before=_without_home),
    "put": Act(_put),
    "first": Act(_first, before=_without_home),
    "allow": Act(_opened(lambda vault, _: vault.allow("ada", "carol", scenes=2))),
    "deny": Act(_opened(lambda vault, _: vault.deny("ada", "bob"))),
    "lease": Act(_opened(lambda vault, _: vault.lease("ada").close())),
    "scene": Act(_scene),
    "suspend": Act(_opened(lambda vault, _: vault.suspend("ada"))),
    "resume": Act(_opened(lambda vault, _: vault.resume("mary"))),
    "revoke": Act(_opened(lambda vault, _: vault.revoke("ada"))),
    "expire": Act(lambda stage: lambda: Vault(stage.home, clock=stage.clock), before=_expired),
    "backup": Act(_opened(lambda vault, stage: vault.backup(stage.out / "new")), outside=_copied),
    "restore": Act(_restore("copy")),
    "restore again": Act(_restore("same"), before=_with_a_copy),
    "export": Act(_export, outside=_packed),
    "take": Act(_take),
    "publish": Act(_publish, before=_later, outside=_published),
    "log": _log("log"),
    "new log": _log("new"),
}
