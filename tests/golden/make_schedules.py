"""Makes schedules.json: the factors on the learning rate that schedulers of torch.optim.lr_scheduler give, step by step.

Run: python3 tests/golden/make_schedules.py > tests/golden/schedules.json   (PyTorch 2, any recent version)

Gammas and minima are exact in float32, as the engines have them.
"""

import json

import numpy
import torch
from torch.optim import lr_scheduler

STEPS_PER_EPOCH, STEPS, RATE = 5, 40, 0.5
exact = lambda number: float(numpy.float32(number))

# (as asgd writes it, the scheduler of an optimizer and T, whether it is stepped every epoch rather than every step)
DECAYS = [
    ("constant", lambda o, t: lr_scheduler.ConstantLR(o, factor=1.0), False),
    ("step:2:0.1", lambda o, t: lr_scheduler.StepLR(o, step_size=2, gamma=exact(0.1)), True),
    ("exponential:0.9", lambda o, t: lr_scheduler.ExponentialLR(o, gamma=exact(0.9)), True),
    ("cosine", lambda o, t: lr_scheduler.CosineAnnealingLR(o, T_max=t), False),
    ("cosine:0.05", lambda o, t: lr_scheduler.CosineAnnealingLR(o, T_max=t, eta_min=RATE * exact(0.05)), False),
]


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)


def factors(make, is_by_epoch, warmup):
    """Of every step: of those before the milestone by LinearLR, then of the decay, as SequentialLR has it."""
    of_warmup = optimizer()
    linear = lr_scheduler.LinearLR(of_warmup, start_factor=1 / (warmup + 1), total_iters=warmup)
    of_decay = optimizer()
    decay = make(of_decay, STEPS - warmup)
    found = []
    for step in range(STEPS):
        in_warmup = step < warmup
        found.append((of_warmup if in_warmup else of_decay).param_groups[0]["lr"] / RATE)
        stepped, scheduler = (of_warmup, linear) if in_warmup else (of_decay, decay)
        stepped.step()
        if in_warmup or not is_by_epoch or (step - warmup + 1) % STEPS_PER_EPOCH == 0:
            scheduler.step()
    return found


cases = [
    {"decay": name, "warmup": warmup, "factors": factors(make, is_by_epoch, warmup)}
    for name, make, is_by_epoch in DECAYS
    for warmup in (0, 1, 7)
]
print(json.dumps({"steps_per_epoch": STEPS_PER_EPOCH, "steps": STEPS, "cases": cases}, separators=(",", ":")))
