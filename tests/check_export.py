"""Checks an exported network: onnxruntime gives the logits and probabilities of the .safetensors file, to 1e-5, and
the labels of the logits; of a regression the values.

    python3 tests/check_export.py MODEL.safetensors MODEL.onnx [REPLICA]        needs onnxruntime, safetensors, numpy
"""

import json
import sys

import numpy
import onnxruntime
from safetensors.numpy import load_file

tensors = load_file(sys.argv[1])
scale = {name: tensors.pop(name) for name in list(tensors) if name.startswith(("scale.", "target_scale."))}
if tensors["layers.0.bias"].ndim == 2:
    replica = int(sys.argv[3])
    tensors = {name: values[replica] for name, values in tensors.items()}
session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
layers = len(tensors) // 2
inputs = tensors["layers.0.weight"].shape[1]
rng = numpy.random.default_rng(1)
x = rng.random((1000, inputs)).astype(numpy.float32) * (rng.random((1000, inputs)) < 0.3)
if "scale.shift" in scale:
    x = (x * 4 * scale["scale.divisor"] + scale["scale.shift"]).astype(numpy.float32)

a = x.astype(numpy.float64)
if "scale.shift" in scale:
    a = ((a - scale["scale.shift"]) / scale["scale.divisor"]).astype(numpy.float32).astype(numpy.float64)
for layer in range(layers):
    z = a @ tensors[f"layers.{layer}.weight"].T.astype(numpy.float64) + tensors[f"layers.{layer}.bias"]
    a = numpy.maximum(z, 0)
if [output.name for output in session.get_outputs()] == ["values"]:  # a regression
    expected = z * scale.get("target_scale.divisor", 1) + scale.get("target_scale.shift", 0)
    (values,) = session.run(["values"], {"input": x})
    error = (numpy.abs(values - expected) / numpy.abs(expected).max(axis=0)).max()
    print(f"largest error: values {error:.1e} of the largest")
    sys.exit(not error < 1e-5)
if z.shape[1] == 1:
    probabilities = 1 / (1 + numpy.exp(numpy.hstack([z, -z])))
else:
    e = numpy.exp(z - z.max(axis=1, keepdims=True))
    probabilities = e / e.sum(axis=1, keepdims=True)

logits, ours, label = session.run(["logits", "probabilities", "label"], {"input": x})
largest = numpy.maximum(1, numpy.abs(z).max())
logit_error = numpy.abs(logits - z).max() / largest
probability_error = numpy.abs(ours - probabilities).max()
print(f"largest error: logits {logit_error:.1e} (of {largest:.3g}), probabilities {probability_error:.1e}")
classes = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(int)
names = json.loads(session.get_modelmeta().custom_metadata_map.get("class_names", "[]"))
labels_agree = all((names[index] if names else str(index)) == str(ours) for index, ours in zip(classes, label))
sys.exit(not (logit_error < 1e-5 and probability_error < 1e-5 and labels_agree))
