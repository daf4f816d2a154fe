"""The character model `std/char_lm` in PyTorch, trained on the same batches with the same optimizer."""

import math
import time

import torch
from torch import nn


class CharLm(nn.Module):
    def __init__(self, size, embedding=64, hidden=128):
        super().__init__()
        self.table = nn.Embedding(size, embedding)
        nn.init.normal_(self.table.weight, std=0.5)
        self.rnn = nn.LSTM(embedding, hidden, 2)
        self.out = nn.Linear(hidden, size)

    def forward(self, tokens, state):
        out, state = self.rnn(self.table(tokens), state)
        return self.out(out), state


def train(path, epochs, threads, seed, batch=32, bptt=64, lr=0.002, valid=0.1):
    """Returns bits a character on the held-out part, characters a second in training, and the number of updates."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    text = open(path, encoding="utf-8").read()
    numbers = {it: k for k, it in enumerate(sorted(set(text)))}
    rows = torch.tensor([numbers[it] for it in text])
    held = math.floor(valid * len(rows) + 0.5)
    rows, test = rows[:-held], rows[-held:]
    length = (len(rows) - 1) // batch
    inputs = torch.stack([rows[b * length : (b + 1) * length] for b in range(batch)], 1)
    targets = torch.stack([rows[b * length + 1 : (b + 1) * length + 1] for b in range(batch)], 1)
    model = CharLm(len(numbers))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    cost = nn.functional.cross_entropy
    updates, begin = 0, time.perf_counter()
    for _ in range(epochs):
        state = None
        for at in range(0, length, bptt):
            optimizer.zero_grad()
            logits, state = model(inputs[at : at + bptt], state)
            state = tuple(it.detach() for it in state)
            cost(logits.flatten(0, 1), targets[at : at + bptt].flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            updates += 1
    seconds = time.perf_counter() - begin
    with torch.no_grad():
        logits, _ = model(test[:-1, None], None)
        nats = cost(logits[:, 0], test[1:]).item()
    return nats / math.log(2), updates * batch * bptt / seconds, updates
