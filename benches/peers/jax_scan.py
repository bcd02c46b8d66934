"""Microseconds of one aSGD step of R replicas in JAX: 784-30-20-10, batch 64, on MNIST.

One jitted lax.scan over the steps, vmap over the replicas, data on the device, batches gathered by a permutation.
Run: python3 benches/peers/jax_scan.py REPLICAS STEPS      (JAX; ASGD_DATA_DIR)
"""

import sys
import time

import jax
import jax.numpy as jnp

import mnist_file

REPLICAS, STEPS = int(sys.argv[1]), int(sys.argv[2])
WIDTHS, BATCH, LEARNING_RATE, EPSILON = [784, 30, 20, 10], 64, 0.005, 1e-8
pixels, digits = mnist_file.load()
IMAGES = jnp.asarray(pixels, jnp.float32) / 255
TARGETS = jax.nn.one_hot(jnp.asarray(digits, jnp.int32), 10)


def initial(key):
    keys = jax.random.split(key, len(WIDTHS) - 1)
    shapes = zip(keys, WIDTHS, WIDTHS[1:])
    return [(jax.random.normal(k, (o, i)) * (2 / i) ** 0.5, jnp.zeros(o)) for k, i, o in shapes]


def move(theta, total, count):
    return theta - jnp.where(count > 0, LEARNING_RATE * total / (count + EPSILON), 0)


def step(parameters, places):
    activations = [IMAGES[places]]
    for layer, (weight, bias) in enumerate(parameters):
        z = activations[-1] @ weight.T + bias
        activations.append(jax.nn.relu(z) if layer + 1 < len(parameters) else z)
    delta = jax.nn.softmax(activations[-1]) - TARGETS[places]
    moved = []
    for layer in reversed(range(len(parameters))):
        weight, bias = parameters[layer]
        below = activations[layer]
        counted, active = (delta != 0).astype(jnp.float32), (below != 0).astype(jnp.float32)
        moved.append((move(weight, delta.T @ below, counted.T @ active), move(bias, delta.sum(0), counted.sum(0))))
        delta = (delta @ weight) * active
    return moved[::-1], None


def train(parameters, places):
    return jax.lax.scan(step, parameters, places)[0]


def order(key):
    epochs = -(-STEPS * BATCH // len(IMAGES))
    epoch = lambda k: jax.random.permutation(k, len(IMAGES))[: len(IMAGES) // BATCH * BATCH]
    return jnp.concatenate([epoch(k) for k in jax.random.split(key, epochs)])[: STEPS * BATCH].reshape(STEPS, BATCH)


keys = jax.random.split(jax.random.key(0), REPLICAS)
if REPLICAS == 1:
    run, parameters, places = jax.jit(train), initial(keys[0]), order(keys[0])
else:
    run, parameters, places = jax.jit(jax.vmap(train)), jax.vmap(initial)(keys), jax.vmap(order)(keys)
parameters = jax.block_until_ready(run(parameters, places))
start = time.perf_counter()
jax.block_until_ready(run(parameters, places))
print(f"{(time.perf_counter() - start) / STEPS * 1e6:.1f}")
