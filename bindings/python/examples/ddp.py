"""Trains a cell in several processes, each with its share of every batch:

    torchrun --nproc-per-node 2 bindings/python/examples/ddp.py

Sequences are ragged, so a mean over ranks would be wrong: each rank sums over its valid steps, and the sums are divided by the number of
steps of all ranks. Masks are those of one process, because a rank says which sequences it has. Two processes give what one gives, to
rounding.
"""

import os
import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import rnnc
import rnnc.torch

CELL = """
/// A leaky memory with dropout of its inputs.
cell Leaky {
  dims  I, H
  input x: [I]
  state h: [H]
  mask  m: [I] = bernoulli(0.8) per step
  param W: [H, I], U: [H, H] init orthogonal, b: [H]
  h = 0.9 * prev h + 0.1 * tanh(W @ (m * x) + U @ prev h + b)
  output h
}
"""


def train(updates: int = 5) -> tuple[list[float], torch.Tensor]:
    """Returns the losses, and the params at the end."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    model = rnnc.torch.RNN(rnnc.parse(CELL), I=4, H=8)
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for update in range(updates):
        # Every rank draws the whole batch and takes its share.
        draw = torch.Generator().manual_seed(update)
        x, y = torch.randn(12, 6, 4, generator=draw), torch.randn(12, 6, 8, generator=draw)
        lengths = torch.randint(1, 13, (6,), generator=draw)
        share = slice(rank * 6 // ranks, (rank + 1) * 6 // ranks)
        out, _ = wrapped(x[:, share], lengths=lengths[share], seed=update, first_sequence=share.start)
        valid = torch.arange(12)[:, None] < lengths[share]
        total = ((out - y[:, share]).square().mean(-1) * valid).sum()
        count = valid.sum()
        dist.all_reduce(count)
        optimizer.zero_grad()
        # DistributedDataParallel divides by the number of ranks.
        (total * ranks / count).backward()
        optimizer.step()
        told = total.detach() / count
        dist.all_reduce(told)
        losses.append(float(told))
    return losses, torch.cat([it.detach().flatten() for it in model.parameters()])


def main() -> None:
    """Runs in one of the processes of torchrun; the first one tells."""
    dist.init_process_group("gloo")
    losses, params = train()
    if dist.get_rank() == 0:
        print(" ".join(f"{it:.6f}" for it in losses))
        if len(sys.argv) > 1:
            torch.save((losses, params), sys.argv[1])
    dist.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
