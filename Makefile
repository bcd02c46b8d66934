# `make demo` and `make test` are all it takes on Debian or Ubuntu with Rust's stable toolchain.

CARGO ?= cargo
# `mpi` beside it needs Open MPI with its headers, and libclang: docs/cluster.md.
FEATURES ?= parquet

.PHONY: demo test newcomer bench bench-peers bench-gpu compilers

demo: ## Build, train on concentric circles, say where the figures are
	@.ci/ensure-linker
	$(CARGO) build --release --locked
	target/release/asgd train --out runs/demo
	@echo "Look at runs/demo/report.html; the numbers are in runs/demo/metrics.csv."

test: ## Build and run all tests; those on the real MNIST too where ASGD_DATA_DIR is set
	@.ci/ensure-linker
	$(CARGO) test --locked --features $(FEATURES) --no-run
	@.ci/ensure-adapter target/debug/asgd
	$(CARGO) test --locked --features $(FEATURES) -- $(if $(ASGD_DATA_DIR),--include-ignored)

newcomer: ## Walk from `make demo` to predictions for own tables, as accurate as scikit-learn's, which is installed under target/peers
	python3 tests/newcomer.py

bench: export ASGD_BENCH_DEVICE = $(DEVICE)
bench: ## aSGD beside SGD in pairs, samples per second, scaling, start-up and memory; DEVICE names a device
	$(CARGO) build --release --locked
	target/release/asgd bench $(if $(DEVICE),--device "$(DEVICE)")
	$(CARGO) bench --locked --bench throughput
	$(CARGO) bench --locked --bench scaling
	python3 benches/startup.py

bench-peers: ## aSGD steps beside JAX, PyTorch and burn, installed under target/peers; needs ASGD_DATA_DIR
	python3 benches/peers/bench.py

bench-gpu: ## For a real GPU: check it, time the standard workloads, then the peers and the vendor's matrix product
	$(CARGO) build --release --locked
	target/release/asgd check --device "$(or $(DEVICE),gpu)"
	target/release/asgd bench --device "$(or $(DEVICE),gpu)"
	WORKLOADS="mnist-R1 mnist-R16 mnist-R100 mnist-R1000 wide-R1 circles-R100 circles-R10000" DEVICE="$(or $(DEVICE),gpu)" \
		python3 benches/peers/bench.py
	target/peers/venv/bin/python benches/peers/pytorch.py matmul

compilers: ## What the compilers of AMD and NVIDIA make of every shader, without a GPU; they come to target/compilers
	python3 benches/compilers/compilers.py
