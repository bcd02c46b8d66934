# `make demo` and `make test` are all it takes on Debian or Ubuntu with Rust's stable toolchain.

CARGO ?= cargo

.PHONY: demo test bench bench-peers

demo: ## Build, train on concentric circles, say where the figures are
	@.ci/ensure-linker
	$(CARGO) build --release --locked
	@.ci/ensure-adapter target/release/asgd
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
