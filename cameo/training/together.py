"""One piece of work for each person, in as many processes as are wanted: what renders and what enrolls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from typing import Any

import torch

from cameo.training.run import Stage

__all__ = ["for_each", "worker_options"]


def for_each(stage: Stage, work: Callable[..., None], todo: Sequence[tuple[Any, ...]]) -> None:
    """Call ``work`` with each of ``todo`` until all is done or the stage's time is over; what was begun is finished.

    Args:
        stage: whose ``--workers`` and time count.
        work: a function of a module, so that another process can call it.
        todo: its arguments; the first of each is what is told.
    """
    if stage.options.workers == 1:
        for one in todo:
            work(*one)
            stage.say(f"person {one[0]}")
            if stage.out_of_time():
                break
        return
    waiting = iter(todo)
    # Not forked: a process that has used its threads or an accelerator cannot be copied safely.
    with ProcessPoolExecutor(stage.options.workers, get_context("spawn"), _settle) as pool:
        running = {pool.submit(work, *one): one[0] for one in islice(waiting, stage.options.workers)}
        while running:
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                done.result()
                stage.say(f"person {running.pop(done)}")
                if not stage.out_of_time() and (one := next(waiting, ())):
                    running[pool.submit(work, *one)] = one[0]


def worker_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=1, help="processes at work")


def _settle() -> None:
    torch.set_num_threads(1)
