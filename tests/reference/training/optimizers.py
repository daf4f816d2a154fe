"""Writes `stored/optimizers.json`: what the optimizers, clipping and schedules of torch.optim make of the same gradients, in float64 and
float32. Each case has three params, the third of which never gets a gradient; there are 6 updates.

    pip install torch==2.11.0
    python tests/reference/training/optimizers.py
"""

import json
import pathlib

import torch

SHAPES = [(2, 3), (11,), (2,)]
UPDATES = 6
CLIP = 1.5

CASES = {
    "sgd": (torch.optim.SGD, {"lr": 0.1}),
    "sgd_decay": (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    "sgd_momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    "sgd_nesterov": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    "rmsprop": (torch.optim.RMSprop, {"lr": 0.01}),
    "rmsprop_centered": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "centered": True, "weight_decay": 0.1}),
    "rmsprop_momentum": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.95, "momentum": 0.7, "eps": 1e-3}),
    "rmsprop_all": (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "centered": True, "momentum": 0.5}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adam_decay": (torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    "adamw": (torch.optim.AdamW, {"lr": 0.01}),
    "adamw_decay": (torch.optim.AdamW, {"lr": 0.02, "betas": (0.85, 0.9), "weight_decay": 0.3}),
}


def numbers(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def run(kind, options, starts, gradients, dtype):
    params = [torch.nn.Parameter(it.to(dtype).clone()) for it in starts]
    optimizer = kind(params, **options)
    norms, after = [], []
    for given in gradients:
        for param, it in zip(params, given):
            param.grad = it.to(dtype).clone()
        norms.append(torch.nn.utils.clip_grad_norm_(params, CLIP).item())
        optimizer.step()
        after.append([flat(it) for it in params])
    return norms, after[-1]


def flat(tensor):
    return [float(f"{it:.9g}") if tensor.dtype == torch.float32 else it for it in tensor.detach().flatten().tolist()]


def rates(make, warmup=0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    schedule = make(optimizer)
    found = []
    for _ in range(8):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def main():
    from torch.optim import lr_scheduler as of

    generator = torch.Generator().manual_seed(7)
    starts = [numbers(generator, *shape) for shape in SHAPES]
    gradients = [[numbers(generator, *shape) for shape in SHAPES[:2]] for _ in range(UPDATES)]
    cases = []
    for name, (kind, options) in CASES.items():
        options = dict(options)
        for dtype, label in ((torch.float64, "f64"), (torch.float32, "f32")):
            norms, after = run(kind, options, starts, gradients, dtype)
            cases.append({"name": name, "dtype": label, "options": options, "norms": norms, "after": after})
    schedules = {
        "step": rates(lambda it: of.StepLR(it, 3, gamma=0.5)),
        "exponential": rates(lambda it: of.ExponentialLR(it, 0.7)),
        "cosine": rates(lambda it: of.CosineAnnealingLR(it, 8, eta_min=0.1)),
        "warmup_cosine": rates(
            lambda it: of.SequentialLR(
                it, [of.LinearLR(it, 0.25, total_iters=3), of.CosineAnnealingLR(it, 4, eta_min=0.1)], [4]
            )
        ),
    }
    path = pathlib.Path(__file__).parent / "stored" / "optimizers.json"
    lines = ",\n".join(json.dumps(it) for it in cases)
    head = {
        "clip": CLIP,
        "schedules": schedules,
        "start": [flat(it) for it in starts],
        "gradients": [[flat(it) for it in update] for update in gradients],
    }
    path.write_text(json.dumps(head)[:-1] + ',\n"cases": [\n' + lines + "\n]}\n")


main()
