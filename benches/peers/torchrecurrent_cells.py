"""Cells that torchrecurrent has too, forward and backward, at (32, 128, 256, 100)."""

from importlib.metadata import version

import common

# Our file, their class: those whose step has one input and one output of the size of the state.
CELLS = {
    "antisymmetric_rnn": "AntisymmetricRNN", "gated_antisymmetric_rnn": "GatedAntisymmetricRNN",
    "atr": "ATR", "br": "BR", "nbr": "NBR", "cfn": "CFN", "dsgu": "DSGU", "fastrnn": "FastRNN",
    "fastgrnn_torchrecurrent": "FastGRNN", "indrnn": "IndRNN",
    "intersection_rnn": "IntersectionRNN", "janet_torchrecurrent": "JANET",
    "lem_torchrecurrent": "LEM", "lightru": "LightRU", "ligru": "LiGRU", "mgu": "MGU",
    "minimal_rnn": "MinimalRNN", "miru1": "MiRU1", "miru2": "MiRU2",
    "multiplicative_lstm": "MultiplicativeLSTM", "mut1_torchrecurrent": "MUT1",
    "mut2_torchrecurrent": "MUT2", "mut3": "MUT3", "nas_torchrecurrent": "NAS",
    "original_lstm_torchrecurrent": "OriginalLSTM", "peephole_lstm": "PeepholeLSTM",
    "ran": "RAN", "res_lstm": "ResLSTM", "scrn_torchrecurrent": "SCRN", "sgrn": "SGRN",
    "sgu": "SGU", "star": "STAR", "tgru": "TGRU", "tlstm": "TLSTM", "trnn": "TRNN",
    "ugrnn": "UGRNN", "unicornn": "UnICORNN", "wmclstm": "WMCLSTM", "mclstm": "MCLSTM",
}

# Their input is as wide as the state.
SQUARE = {"intersection_rnn"}


def main():
    args = common.arguments(__doc__, CELLS)
    np, torch, peers = common.need("numpy", "torch", "torchrecurrent")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    shapes = args.shapes if args.shape else [(32, 128, 256, 100)]
    versions = f"PyTorch {torch.__version__}, torchrecurrent {version('torchrecurrent')}"
    common.title(versions, args.threads, args.rounds)
    for cell in args.cells:
        for shape in shapes:
            try:
                measure(cell, shape, args, torch, peers)
            except Exception as error:  # One cell that cannot be compared stops no other.
                reason = str(error).strip().splitlines() or [type(error).__name__]
                print(f"| {cell} | not compared: {reason[-1][:90]} | | | | |", flush=True)


def measure(cell, shape, args, torch, peers):
    batch, i, h, steps = shape
    if cell in SQUARE:
        i = h
        shape = (batch, i, h, steps)
    torch.manual_seed(1)
    module = getattr(peers, CELLS[cell])(i, h)
    x = torch.randn(steps, batch, i, requires_grad=True)
    upstream = torch.ones(steps, batch, h)

    def infer():
        with torch.no_grad():
            return module(x)[0]

    def train():
        module.zero_grad(set_to_none=True)
        x.grad = None
        y = module(x)[0]
        y.backward(upstream)
        return y

    y = train().detach().numpy()
    weights = {
        # Buffers too: a bias that is switched off is one of zeros.
        name.rsplit(".", 1)[-1]: it.detach().numpy() for name, it in module.state_dict().items()
    }
    sizes = {"H": h} if cell in SQUARE else {"I": i, "H": h}
    own_y, own_dx = common.ours(
        f"std/{cell}", sizes, "torchrecurrent", weights, x.detach().numpy(), upstream.numpy())
    if not common.same(cell, [(y, own_y), (x.grad.numpy(), own_dx)]):
        return
    own = lambda: common.bench(f"std/{cell}", sizes, batch, steps, args.threads)
    theirs, mine, _ = common.interleaved({"inference": infer, "training": train}, own, args.rounds)
    common.row(cell, shape, "inference", theirs["inference"], mine["inference_ms"])
    common.row(cell, shape, "training", theirs["training"], mine["training_ms"])


if __name__ == "__main__":
    main()
