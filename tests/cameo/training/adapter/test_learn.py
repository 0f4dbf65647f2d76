"""The loop: killed or not, alone or together, sharded or not, the same comes of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from cameo.errors import UsageError
from cameo.training.adapter.learner import parted
from tests.cameo.training.adapter.noise import SETTINGS, small_adapter, trained

ROOT = Path(__file__).resolve().parents[4]


def alone(pieces: int = 1) -> Accelerator:
    return Accelerator(cpu=True, mixed_precision="no", gradient_accumulation_steps=pieces)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """Four steps by one process, at one go."""
    run = tmp_path_factory.mktemp("whole")
    training, losses = trained(alone(), run, 4)
    assert training.progress.step == len(losses) == 4
    return load_file(run / "checkpoint.safetensors")


def farthest(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


def test_a_run_that_was_killed_goes_on_as_if_it_never_was(tmp_path, whole):
    trained(alone(), tmp_path, 2)
    trained(alone(), tmp_path, 3)
    trained(alone(), tmp_path, 4)
    again = load_file(tmp_path / "checkpoint.safetensors")
    assert again.keys() == whole.keys() and all(torch.equal(again[name], whole[name]) for name in whole)


def test_half_the_bits_are_learned_with_too(tmp_path, whole):
    trained(alone(), tmp_path, 4, SETTINGS.model_copy(update={"precision": "bf16"}))
    learned = load_file(tmp_path / "checkpoint.safetensors")
    assert all(tensor.dtype == torch.float32 for tensor in learned.values())
    near = [torch.cosine_similarity(learned[n].flatten(), whole[n].flatten(), 0) for n in whole if n.startswith("ema/")]
    assert torch.stack(near).median() > 0.99


def test_a_step_in_several_passes_is_the_same_step(tmp_path, whole):
    trained(alone(pieces=2), tmp_path, 4)
    assert farthest(load_file(tmp_path / "checkpoint.safetensors"), whole) < 1e-4


def test_two_processes_learn_what_one_does_with_copied_and_with_sharded_weights(tmp_path, whole):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("copied", "sharded", "copied-bf16", "sharded-bf16"):
        (tmp_path / name).mkdir()
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.cameo.training.adapter.worker", str(tmp_path)],
            cwd=ROOT,
            env=os.environ
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
            | {"MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for worker in workers:
        _, said = worker.communicate(timeout=300)
        assert worker.returncode == 0, said
    for name in ("copied", "sharded"):
        assert farthest(load_file(tmp_path / name / "checkpoint.safetensors"), whole) < 1e-4, name
    copied, sharded = (
        load_file(tmp_path / f"{name}-bf16" / "checkpoint.safetensors") for name in ("copied", "sharded")
    )
    assert farthest(sharded, copied) < 1e-2, "no farther than bfloat16 rounds"


def test_a_checkpoint_holds_what_learns_and_nothing_else(tmp_path):
    training, _ = trained(alone(), tmp_path, 1, SETTINGS.model_copy(update={"rank": 0}))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    with safe_open(tmp_path / "checkpoint.safetensors", "pt") as file:
        assert file.metadata().keys() == {"step", "updates", "consents", "versions"}
        names = [name.removeprefix("model/") for name in file.keys() if name.startswith("model/")]  # noqa: SIM118
    adapter, lora = parted(dict.fromkeys(names, torch.zeros(0)))
    assert adapter.keys() == dict(small_adapter().named_parameters()).keys() and not lora
    frozen = [weight for weight in training.learner.parameters() if not weight.requires_grad]
    assert frozen and all(weight.grad is None for weight in frozen)


def test_examples_that_cannot_be_shared_out_evenly_are_refused(tmp_path):
    with pytest.raises(UsageError, match="4 clips a step") as refused:
        trained(alone(pieces=3), tmp_path, 1)
    assert "3 divides" in refused.value.hint
