# `make demo` and `make test` are all it takes on Debian or Ubuntu with Rust's stable toolchain.

CARGO ?= cargo

.PHONY: demo test bench bench-peers bench-gpu

demo: ## Build, train on concentric circles, say where the figures are
	@.ci/ensure-linker
	$(CARGO) build --release --locked
	target/release/asgd train --out runs/demo
	@echo "Look at runs/demo/learning_curve.svg; the figures are in runs/demo/metrics.csv."

test: ## Build and run all tests; those on the real MNIST too where ASGD_DATA_DIR is set
	@.ci/ensure-linker
	$(CARGO) test --locked --no-run
	@.ci/ensure-adapter target/debug/asgd
	$(CARGO) test --locked -- $(if $(ASGD_DATA_DIR),--include-ignored)

bench: ## Samples per second of steps and kernels, and aSGD beside SGD
	$(CARGO) bench --locked

bench-peers: ## A step beside JAX, PyTorch and burn, installed under target/peers; needs ASGD_DATA_DIR
	python3 benches/peers/bench.py

bench-gpu: ## What only a real GPU can show: peers at R = 1 and 1,000, the experiments at full size, layers of 4,096
	REPLICAS="1 1000" python3 benches/peers/bench.py
	for workload in experiment-2 mnist-R1100 wide-4096; do $(CARGO) bench --bench ratio -- 5 $$workload || exit 1; done
	ASGD_DATA_DIR=$(ASGD_DATA_DIR) target/peers/venv/bin/python benches/peers/pytorch.py matmul 1 20 1
