"""The cells that torchrecurrent has too, training and inference, at (32, 128, 256, 100)."""

from importlib.metadata import version

import common
import rnnc

# How many steps are compared: with drawn weights some cells are chaotic, and drift apart by rounding alone over many.
COMPARED = 4


def main():
    cells = {}
    for it in rnnc.library():
        name = it["name"].removeprefix("std/")
        if any(layout["name"] == "torchrecurrent" for layout in rnnc.about(it["name"])["layouts"]):
            cells[name] = it["dims"]
    args = common.arguments(__doc__, cells, common.MIDDLE)
    _, torch, peers = common.need("numpy", "torch", "torchrecurrent")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    classes = {it.lower(): getattr(peers, it) for it in dir(peers)}
    versions = f"PyTorch {torch.__version__}, torchrecurrent {version('torchrecurrent')}"
    race = common.Race("torchrecurrent", versions, args)
    for cell in args.cells:
        peer = classes.get(cell.removesuffix("_torchrecurrent").replace("_", ""))
        for batch, i, h, steps in args.shapes:
            i = i if "I" in cells[cell] else h
            shape = (batch, i, h, steps)
            if peer is None:
                race.skip(cell, shape, "torchrecurrent has no such class")
            else:
                race.attempt(cell, shape, lambda: measure(race, torch, peer, cell, shape, cells[cell]))
    race.end(by_cell=False)


def measure(race, torch, peer, cell, shape, dims):
    batch, i, h, steps = shape
    torch.manual_seed(1)
    module = peer(i, h)
    with torch.no_grad():
        # A bias that starts at 0 would show no mistake.
        for it in module.parameters():
            it += 0.02 * torch.randn_like(it) if it.dim() < 2 else 0.0
    whole = torch.randn(steps, batch, i, requires_grad=True)
    piece = whole.detach()[:COMPARED].clone().requires_grad_()
    with torch.no_grad():
        states = module(piece[:1])[1]
    starts = []
    states = zeros(torch, states, starts)

    def infer():
        with torch.inference_mode():
            return module(whole, states)[0]

    def train(x=whole, upstream=torch.ones(steps, batch, h)):
        module.zero_grad(set_to_none=True)
        for it in (x, *starts):
            it.grad = None
        y = module(x, states)[0]
        y.backward(upstream)
        return y

    # Buffers too: a bias that is switched off is one of zeros.
    short = lambda name: name.rsplit(".", 1)[-1]
    weights = {short(name): it.detach().numpy() for name, it in module.state_dict().items()}
    upstream = torch.ones(len(piece), batch, h)
    theirs = {"y": train(piece, upstream).detach().numpy(), "x": piece.grad.numpy()}
    if len(starts) == len(rnnc.about(f"std/{cell}")["states"]):
        # Else they keep as a state what is a past here, or a state twice.
        theirs |= {f"start {k}": it.grad.numpy() for k, it in enumerate(starts) if it.grad is not None}
    for name, it in module.named_parameters():
        if it.grad is not None:
            theirs[f"d {short(name)}"] = it.grad.numpy()
    sizes = {"I": i, "H": h} if "I" in dims else {"H": h}
    own = rnnc.ours(f"std/{cell}", sizes, "torchrecurrent", weights, piece.detach().numpy(),
                    upstream.numpy(), race.args.threads)
    if race.same(cell, shape, theirs, own):
        works = {"inference": {"eager": infer}, "training": {"eager": train}}
        race.measure(cell, f"std/{cell}", sizes, shape,
                     common.or_one_thread(torch, race.args.threads, works))


def zeros(torch, states, starts):
    """The same structure of zeros, each of which gets a gradient and is noted in `starts`."""
    if isinstance(states, torch.Tensor):
        starts.append(torch.zeros_like(states).requires_grad_())
        return starts[-1]
    return tuple(zeros(torch, it, starts) for it in states)


if __name__ == "__main__":
    main()
