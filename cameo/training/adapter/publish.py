"""The end of a run: a folder that ``load_identity_adapter`` takes, proven, with a card that says what it was learned
from. It is there whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import torch
from safetensors.torch import save_file
from torch import Tensor

from cameo.conditioning import IdentityAdapter
from cameo.conditioning.proof import prove
from cameo.errors import InputRefused, UsageError
from cameo.training.adapter.checkpoints import versions
from cameo.training.adapter.learner import parted
from cameo.training.adapter.settings import Settings

__all__ = ["Told", "check_out", "digest_of", "publish"]

_LORA_FILE = "pytorch_lora_weights.safetensors"


@dataclass(frozen=True)
class Told:
    """What the card says beside the settings.

    Attributes:
        people, clips: that were learned from.
        held_out: people who were kept for validation.
        consents: digests of the ids of all consents learned from.
        likeness: the last that was measured; None where nobody was held out.
        judge: which encoder said so.
    """

    people: int
    clips: int
    held_out: int
    consents: frozenset[str]
    likeness: float | None
    judge: str


def digest_of(consent_id: str) -> str:
    """How a card names a consent: whoever has the id finds it there, and nobody finds an id."""
    return sha256(consent_id.encode()).hexdigest()


def check_out(out: Path) -> None:
    """Can an adapter be written here? Ask before days of training, not after.

    Raises:
        UsageError: there is something already.
        InputRefused: there is no folder to put it in.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} exists already", hint="give --out a folder that does not")
    if not out.absolute().parent.is_dir():
        raise InputRefused(
            f"the folder {out.absolute().parent} does not exist", hint=f"make it: mkdir -p {out.absolute().parent}"
        )


def publish(out: Path, adapter: IdentityAdapter, learned: Mapping[str, Tensor], settings: Settings, told: Told) -> None:
    """Write adapter, LoRA and card.

    Args:
        out: the folder.
        adapter: for its configuration.
        learned: weights by their names in the learner.
        settings, told: of the run.

    Raises:
        AdapterMismatch, AdapterUnreadable: part of the adapter moves nothing, or is no number; nothing is written.
        InputRefused: it cannot be written.
    """
    trained = IdentityAdapter.from_config(adapter.config)
    weights, lora = parted(learned)
    trained.load_state_dict(weights)
    prove(trained)
    if settings.precision == "bf16":
        trained.to(torch.bfloat16)
    out = out.absolute()
    try:
        partial = Path(mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            trained.eval().save_pretrained(partial)
            if lora:
                (partial / "lora").mkdir()
                save_file(lora, partial / "lora" / _LORA_FILE, metadata={"format": "pt"})
            (partial / "README.md").write_text(_card(settings, told))
            (partial / "consents.json").write_text(json.dumps(sorted(told.consents), indent=1) + "\n")
            partial.chmod(0o755)
            partial.replace(out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise InputRefused(f"{out} cannot be written: {error.strerror}", hint="free some space") from None


def _card(settings: Settings, told: Told) -> str:
    likeness = "not measured" if told.likeness is None else f"{told.likeness:.3f} by {told.judge}"
    rows = {
        "base": f"{settings.base} {settings.version}".strip(),
        "spaces": f"{settings.face_space}, {settings.body_space}, {settings.voice_space}",
        **({"faces begin from": _begun(settings)} if settings.face_resampler else {}),
        "people": f"{told.people}, and {told.held_out} held out",
        "clips": str(told.clips),
        "scenes": f"{settings.width}×{settings.height}, {settings.frames} frames at {settings.fps:g} a second",
        "steps": f"{settings.steps} of {settings.batch} clips, seed {settings.seed}",
        "learning rate": f"{settings.lr:g}, {settings.warmup} steps of warm-up, then a cosine to a tenth of it",
        "weights": f"their average, decay {settings.ema:g}",
        "likeness": f"of people held out: {likeness}",
        "versions": ", ".join(f"{name} {one}" for name, one in versions().items()),
    }
    table = "\n".join(f"| {name} | {text} |" for name, text in rows.items())
    lora = (
        f"\nIt was learned together with a LoRA of rank {settings.rank}, in `lora/`: load both, "
        "`cameo.conditioning.load_lora` takes the folder.\n"
        if settings.rank
        else ""
    )
    return f"""---
library_name: diffusers
base_model: {json.dumps(settings.base)}
tags: [identity-adapter, cameo]
---

# An identity adapter for {settings.base}

```python
from cameo import CameoLTX2Pipeline

pipeline = CameoLTX2Pipeline.from_pretrained({settings.base!r})
pipeline.load_identity_adapter("this/folder")
```
{lora}
| | |
|---|---|
{table}

Learned by `cameo train adapter`, with the base frozen, from clips of people who each signed a consent to it that was in
force. `consents.json` holds the SHA-256 of the id of every consent that was learned from: whoever has an id can see
whether it is among them (`printf %s ID | sha256sum`), and nobody can read an id from it. Who takes a consent back is
left out from then on; what was learned before stays in these weights, until they are trained anew without it.

{_licence(settings)} They hold nobody's pictures, sound or embeddings.
"""


def _licence(settings: Settings) -> str:
    if settings.face_resampler:
        return "The weights derive from the base's and from the resampler's: the licences of both hold for them too."
    return "The weights derive from the base's: its licence holds for them too."


def _begun(settings: Settings) -> str:
    return f"a published resampler, SHA-256 {settings.face_resampler}, of embeddings {settings.face_length:g} long"
