"""Instructions and their loops, in the assembly of each compiler."""

import re

# Lines: a label; an instruction; a branch and its target; the end of a path; a multiply-add (VOPD has two in a line).
FORMATS = {
    "ACO": (r"(BB\d+):", r"\t\w", r"\ts_c?branch\S* (BB\d+)", r"\ts_(?:branch|endpgm)", r"\bv_(?:dual_)?fma\w*_f32"),
    "NAK": (r"block\S* \d+ (L\d+) ", r"[ @].*//", r".*\bbra (L\d+)", r" .*\b(?:bra|exit)\b", r"\bffma\b"),
    "SASS": (
        r"(\.L_x_\d+):",
        r"\s+/\*[0-9a-f]{4,}\*/\s+(?!NOP)\S",
        r".*\bBRA\b.*`\((\.L_x_\d+)\)",
        r"\s+/\*[0-9a-f]+\*/\s+(?:BRA `|EXIT)",
        r"\bFFMA\b",
    ),
}
# Loops with fewer multiply-adds are no products.
PRODUCT = 64


class Block:
    """Instructions without a branch between them."""

    def __init__(self):
        self.instructions = self.multiply_adds = 0
        self.successors = []


def blocks(text, language):
    """All blocks, the first one first, with the blocks that may follow each."""
    label, instruction, branch, end, multiply_add = (re.compile(pattern) for pattern in FORMATS[language])
    found, labels, branches = [Block()], {}, []
    for line in text.splitlines():
        if is_label := label.match(line):
            labels[is_label[1]] = len(found)
        elif not instruction.match(line):
            continue
        else:
            found[-1].instructions += 1
            found[-1].multiply_adds += len(multiply_add.findall(line))
        is_branch, is_end = branch.match(line), end.match(line)
        if is_branch:
            branches.append((found[-1], is_branch[1]))
        if is_label or is_branch or is_end:
            found.append(Block())
            if not is_end:
                found[-2].successors.append(found[-1])
    for block, target in branches:
        block.successors.append(found[labels[target]])
    return found


def loops(all_blocks):
    """The blocks of each natural loop."""
    order = {block: index for index, block in enumerate(all_blocks)}
    predecessors = {block: [] for block in all_blocks}
    for block in all_blocks:
        for successor in block.successors:
            predecessors[successor].append(block)
    bodies = {}
    for block in all_blocks:
        for head in block.successors:
            if order[head] > order[block]:
                continue
            body, pending = {head}, [block]
            while pending:
                reached = pending.pop()
                if reached not in body:
                    body.add(reached)
                    pending += predecessors[reached]
            # Else it is a jump back into code that can be reached without its target.
            if all_blocks[0] not in body - {head}:
                bodies.setdefault(head, set()).update(body)
    return list(bodies.values())


def count(text, language):
    """Instructions in all; (multiply-adds, instructions) of the innermost loop with most multiply-adds, if it is a product.

    Of the loop's branches, both sides are counted.
    """
    all_blocks = blocks(text, language)
    found = loops(all_blocks)
    innermost = [body for body in found if not any(other < body for other in found)]
    total = lambda body: (sum(block.multiply_adds for block in body), sum(block.instructions for block in body))
    best = max(map(total, innermost), default=(0, 0))
    return sum(block.instructions for block in all_blocks), best if best[0] >= PRODUCT else None
