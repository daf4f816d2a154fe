"""nn.LSTM, nn.GRU and nn.RNN of PyTorch, time first, training and inference."""

import common

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


def main():
    args = common.arguments(__doc__, CELLS)
    np, torch = common.need("numpy", "torch")
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    common.title(f"PyTorch {torch.__version__}", args.threads, args.rounds)
    for cell in args.cells:
        for batch, i, h, steps in args.shapes:
            torch.manual_seed(1)
            module = getattr(torch.nn, CELLS[cell])(i, h)
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
                name.removesuffix("_l0"): it.detach().numpy()
                for name, it in module.named_parameters()
            }
            sizes = {"I": i, "H": h}
            own_y, own_dx = common.ours(
                f"std/{cell}", sizes, "pytorch", weights, x.detach().numpy(), upstream.numpy())
            if not common.same(cell, [(y, own_y), (x.grad.numpy(), own_dx)]):
                continue
            own = lambda: common.bench(f"std/{cell}", sizes, batch, steps, args.threads)
            theirs, mine, _ = common.interleaved(
                {"inference": infer, "training": train}, own, args.rounds)
            shape = (batch, i, h, steps)
            common.row(cell, shape, "inference", theirs["inference"], mine["inference_ms"])
            common.row(cell, shape, "training", theirs["training"], mine["training_ms"])


if __name__ == "__main__":
    main()
