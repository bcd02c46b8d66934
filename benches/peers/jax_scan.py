"""aSGD steps in JAX, or Adam's of optax: one jitted lax.scan over the steps, vmap over replicas, data on the device, batches gathered in the scan.

Run: python3 jax_scan.py FOLDER SECONDS|RESULT      (see workloads.py)

Where JAX has several devices (XLA_FLAGS=--xla_force_host_platform_device_count=N on a CPU), replicas are spread over them.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from workloads import ADAM, CHECKED, EPSILON, LEARNING_RATE, load, microseconds

work = load(sys.argv[1])


def move(theta, total, count):
    # Where the count is 0, so is the sum.
    return theta - LEARNING_RATE * total / (count + EPSILON)


def forward(parameters, image):
    activations = [image]
    for layer, (weight, bias) in enumerate(parameters):
        z = activations[-1] @ weight.T + bias
        activations.append(jax.nn.relu(z) if layer + 1 < len(parameters) else z)
    return activations


def step(parameters, batch):
    image, target = batch
    activations = forward(parameters, image)
    logits = activations[-1]
    delta = (jax.nn.sigmoid(logits) if work.widths[-1] == 1 else jax.nn.softmax(logits)) - target
    moved = []
    for layer in reversed(range(len(parameters))):
        weight, bias = parameters[layer]
        below = activations[layer]
        counted, active = (delta != 0).astype(jnp.float32), (below != 0).astype(jnp.float32)
        moved.append((move(weight, delta.T @ below, counted.T @ active), move(bias, delta.sum(0), counted.sum(0))))
        delta = (delta @ weight) * active if layer else None
    return moved[::-1]


def train_by_adam(parameters, order, inputs, targets):
    """Gradients by JAX's own differentiation, moves by optax."""
    import optax

    adam = optax.adam(**ADAM)

    def loss(parameters, image, target):
        logits = forward(parameters, image)[-1]
        if work.widths[-1] == 1:
            return optax.sigmoid_binary_cross_entropy(logits, target).mean()
        return optax.softmax_cross_entropy(logits, target).mean()

    def scanned(carried, index):
        parameters, state = carried
        changes, state = adam.update(jax.grad(loss)(parameters, inputs[index], targets[index]), state)
        return (optax.apply_updates(parameters, changes), state), None

    return jax.lax.scan(scanned, (parameters, adam.init(parameters)), order)[0][0]


def train(parameters, order, inputs, targets):
    if work.optimizer == "adam":
        return train_by_adam(parameters, order, inputs, targets)
    scanned = lambda parameters, index: (step(parameters, (inputs[index], targets[index])), None)
    return jax.lax.scan(scanned, parameters, order)[0]


everywhere = of_replicas = jax.devices()[0]
if work.replicas > 1 and work.replicas % len(jax.devices()) == 0:
    mesh = jax.sharding.Mesh(np.array(jax.devices()), "r")
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    of_replicas = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("r"))
data = jax.device_put((work.inputs, work.targets()), everywhere)
parameters, order = work.layers(work.initial), work.order
if work.replicas == 1:
    parameters, order = jax.tree.map(lambda array: array[0], (parameters, order))
parameters, order = jax.device_put((parameters, order), of_replicas)
run = jax.jit(train if work.replicas == 1 else jax.vmap(train, in_axes=(0, 0, None, None)))

if sys.argv[2].replace(".", "").isdigit():

    def one_pass():
        global parameters
        parameters = jax.block_until_ready(run(parameters, order, *data))

    print(f"{microseconds(one_pass, work.steps, float(sys.argv[2])):.1f}")
else:
    result = run(parameters, order[..., :CHECKED, :], *data)
    work.flat(result).tofile(sys.argv[2])
