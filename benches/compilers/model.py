"""Paper model of one step on an H100, kernel by kernel. A model, not measured on a GPU: believe it to a factor of 1.5.

Run: python3 benches/compilers/model.py

Instructions are those of ptxas for sm_90 (compilers.py), stages and bytes are counted from the shaders.
"""

from dataclasses import dataclass

SMS, CLOCK = 132, 1755e6
DRAM, L2 = 3.0e12, 5.5e12       # bytes a second; DRAM: 90 % of 3.35e12
L2_BYTES = 40e6                 # what stays in the L2 cache from step to step
DISPATCH_US = 4.0               # between dependent dispatches
LOAD = 300                      # cycles of a load from L2
ISSUE = 0.75                    # share of the issue slots that busy SMs use
ALONE = 2                       # cycles of an instruction of a warp that has its scheduler to itself
GATHER_BYTES, MAX_SLOTS = 256 << 20, 32

# Instructions of a stage of 16 terms or samples, and those outside of the loop over stages.
FORWARD, DELTA, UPDATE = (222, 304), (226, 273), (384, 174)
NARROW_UPDATE = 180             # of a stage of a tile with at most 32 inputs
FINISH = 583                    # of a tile of 128 inputs, all of which there are: the end of an update
EMPTY = 100                     # of a tile of features that are all inactive
LOSS, LOSS_UNIT = 565, 30
# step.wgsl, of four neurons: of an input, and outside of the loop over them; of four outputs, and outside; the loss of all.
STEP_FORWARD, STEP_DELTA, STEP_LOSS = (40, 192), (153, 201), 750
STEP_IDLE = 80                  # of four neurons, for a warp without samples
# Its sums: of a stage of 8 samples, of 32 staged rows, outside.
STEP_REDUCE, STEP_ROWS, STEP_END = 200, 36, 620
MAX_SMALL_ROWS, MAX_SMALL_SAMPLES = 144, 256


@dataclass
class Case:
    name: str
    widths: list
    batch: int
    replicas: int
    active: float               # share of the features
    bytes: int                  # of a feature

    def layers(self):
        """(terms, outputs, whether the inputs are data)."""
        inputs = [self.widths[0] * self.active, *self.widths[1:]]
        return [(inputs[i] + 1, outputs, i == 0) for i, outputs in enumerate(self.widths[1:])]

    def parameters(self):
        """Bytes: all, and those that a step touches."""
        padded = lambda width: -(-width // 8) * 8 * 4
        everything = sum((inputs + 1) * padded(outputs) for inputs, outputs in zip(self.widths, self.widths[1:]))
        touched = sum(terms * padded(outputs) for terms, outputs, _ in self.layers())
        return everything * self.replicas, touched * self.replicas

    def rows(self):
        """Bytes of the activations, or of the deltas."""
        return sum(self.widths[1:]) * self.words() * 128 * self.replicas

    def words(self):
        return -(-self.batch // 32)

    def inputs(self):
        return (self.widths[0] + 1) * self.words() * 32 * self.bytes * self.replicas


def us(cycles):
    return cycles / CLOCK * 1e6


def time(case, work, touched):
    """A dispatch: one workgroup alone, or the issue slots of all SMs, or memory, whichever takes longest.

    `work`: workgroups, their warps, a warp's instructions, loads that wait for each other.
    """
    alone = max(us(count * ALONE * max(1, warps / 4) + loads * LOAD) for _, warps, count, loads in work)
    issue = us(sum(groups * warps * count for groups, warps, count, _ in work) / (SMS * 4 * ISSUE))
    resident = case.parameters()[0] + 2 * case.rows() + case.inputs()
    return max(alone, issue, touched / (L2 if resident < L2_BYTES else DRAM) * 1e6)


def blocks(width):
    return -(-int(width) // 32)


def stages(terms):
    return -(-int(terms) // 16)


def rows(width):
    """Of a layer, with its row of ones."""
    return -(-(width + 1) // 4) * 4


def small_step(case):
    """A warp's instructions in step.wgsl; nothing where the network is no small one."""
    staged = rows(case.widths[0]) + 2 * sum(map(rows, case.widths[1:]))
    if staged > MAX_SMALL_ROWS or case.batch > MAX_SMALL_SAMPLES:
        return None
    fours = lambda width: -(-width // 4)
    pairs = list(zip(case.widths, case.widths[1:]))
    forward = sum(fours(outputs) * (STEP_FORWARD[1] + (inputs + 1) * STEP_FORWARD[0]) for inputs, outputs in pairs)
    delta = sum(fours(inputs) * (STEP_DELTA[1] + fours(outputs) * STEP_DELTA[0]) for inputs, outputs in pairs[1:])
    groups = sum(fours(outputs) for _, outputs in pairs) + sum(fours(inputs) for inputs, _ in pairs[1:])
    busy = -(-case.batch // 128)
    tiles = sum((inputs // 4 + 1) * fours(outputs) for inputs, outputs in pairs)
    reduce = -(-tiles // 64) * (case.words() * 4 * (STEP_REDUCE + staged / 64 * STEP_ROWS) + STEP_END)
    return (busy * (forward + delta + STEP_LOSS) + (2 - busy) * STEP_IDLE * groups) / 2 + reduce


def step(case):
    """us by kernel."""
    layers, words, replicas = case.layers(), case.words(), case.replicas
    touched, activations, units = case.parameters()[1], case.rows(), case.widths[-1]
    # (workgroups, instructions) by layer; deltas are those of the inputs.
    forward = [(blocks(outputs), stages(terms) * FORWARD[0] + FORWARD[1]) for terms, outputs, _ in layers]
    delta = [(blocks(terms - 1), stages(outputs) * DELTA[0] + DELTA[1]) for terms, outputs, _ in layers[1:]]
    loss = (words * replicas, 4, LOSS + LOSS_UNIT * units, 1.3 * units)
    # permute, gather, select: read and written once, for `slots` steps at a time.
    slots = max(1, min(MAX_SLOTS, GATHER_BYTES // case.inputs()))
    gather = (3 * DISPATCH_US + 10 + slots * case.inputs() * 2 / DRAM * 1e6) / slots
    if instructions := small_step(case):
        loads = sum(terms * -(-outputs // 4) for terms, outputs, _ in layers) / 8
        work = (replicas, 2, instructions, loads)
        return {"dispatches": DISPATCH_US, "step": time(case, [work], 3 * touched + case.inputs() + 2 * activations), "gather": gather}
    if max(case.widths[1:]) <= 128:
        products = forward + delta
        instructions = sum(count * work for count, work in products) + loss[2]
        work = (words * replicas, 4, instructions, 4 * len(products) + loss[3])
        parts = {"propagate": time(case, [work], touched + case.inputs() * case.active + 4 * activations)}
        dispatches = 2
    else:
        share = (touched + 2 * activations) / len(layers)
        dispatch = lambda count, work: time(case, [(words * count * replicas, 4, work, 4)], share)
        all_of = lambda products: sum(dispatch(*product) for product in products)
        parts = {"forward": all_of(forward), "loss": time(case, [loss], 0), "delta": all_of(delta)}
        dispatches = 2 * len(layers) + 1
    work = []
    for terms, outputs, is_data in layers:
        tiles = -(-int(terms) // 128)
        finish = FINISH * terms / (128 * tiles)
        of_stage = UPDATE[0] if terms > 32 else NARROW_UPDATE
        work.append((tiles * blocks(outputs) * replicas, 8, stages(case.batch) * of_stage + UPDATE[1] + finish, 5))
        if is_data:
            empty = -(-(case.widths[0] + 1) // 128) - tiles
            work.append((empty * blocks(outputs) * replicas, 8, EMPTY, 2))
    parts["update"] = time(case, work, 2 * touched + case.inputs() * case.active + 2 * activations)
    return {"dispatches": dispatches * DISPATCH_US, **parts, "gather": gather}


def limit(case):
    """us at 67 TFLOP/s, and at 3.35 TB/s where the parameters do not stay in the cache."""
    # Forward, deltas (not of the inputs), sums.
    products = sum(terms * outputs * (2 if is_data else 3) for terms, outputs, is_data in case.layers())
    flops = 2 * products * case.batch * case.replicas / 67e12
    everything, touched = case.parameters()
    return max(flops, 3 * touched / 3.35e12 if everything > L2_BYTES else 0) * 1e6


CASES = [
    *(Case(f"MNIST 784-30-20-10, batch 64, R = {r:,}", [784, 30, 20, 10], 64, r, 0.63, 1) for r in (1, 100, 1000, 1100)),
    *(Case(f"circles 2-10-10-10-10-10-1, batch 128, R = {r:,}", [2, 10, 10, 10, 10, 10, 1], 128, r, 1, 4) for r in (1, 10_000)),
    Case("wide 784-512-512-10, batch 256, R = 1", [784, 512, 512, 10], 256, 1, 0.71, 1),
]

print("| case | us a step | of which | limit |\n|---|---|---|---|")
for case in CASES:
    parts = step(case)
    shares = ", ".join(f"{kernel} {us:.0f}" for kernel, us in parts.items())
    print(f"| {case.name} | {sum(parts.values()):.0f} | {shares} | {limit(case):.1f} |")
