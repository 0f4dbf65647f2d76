"""One of two processes that train together: ``python -m tests.cameo.training.adapter.worker FOLDER``, with torch's own
variables of a process group set. First with copies of the weights, then with the weights sharded, and that in two
pieces.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator, FullyShardedDataParallelPlugin
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from tests.cameo.training.adapter.noise import SETTINGS, trained


def main() -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    assert accelerator.num_processes == 2
    whole, halved = SETTINGS, SETTINGS.model_copy(update={"precision": "bf16"})
    for name, until, settings in (
        ("copied", 4, whole),
        ("copied-bf16", 4, halved),
        ("sharded", 2, whole),
        ("sharded", 4, whole),
        ("sharded-bf16", 4, halved),
    ):
        if name.startswith("sharded"):
            _shard(accelerator)
        # A large generator comes in bfloat16, and what learns beside it is float32.
        dtype = torch.float32 if settings is whole else torch.bfloat16
        training, _ = trained(accelerator, Path(sys.argv[1]) / name, until, settings, dtype)
        weights = list(training.learner.parameters())
        assert all(isinstance(weight, DTensor) is name.startswith("sharded") for weight in weights)
        assert {weight.dtype for weight in weights} == {torch.float32, dtype}
        accelerator.free_memory()
    accelerator.end_training()


def _shard(accelerator: Accelerator) -> None:
    """Accelerate offers FSDP on accelerators alone; what it does there works on processors too."""
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="transformer_based_wrap",
        transformer_cls_names_to_wrap=["LTX2VideoTransformerBlock"],
        cpu_ram_efficient_loading=False,
    )


if __name__ == "__main__":
    main()
