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

from tests.cameo.training.adapter.noise import trained


def main() -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    assert accelerator.num_processes == 2
    for name, until in (("copied", 4), ("sharded", 2), ("sharded", 4)):
        if name == "sharded":
            _shard(accelerator)
        training, _ = trained(accelerator, Path(sys.argv[1]) / name, until)
        weights = list(training.learner.parameters())
        assert all(isinstance(weight, DTensor) is (name == "sharded") for weight in weights)
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
