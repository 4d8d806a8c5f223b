# Two commands do everything on a fresh machine: `make demo` and `make test`. Both are quick the second time.
PYTHON ?= python3
RUNTIME := .venv
DEV := .venv-dev

.PHONY: demo test lint types fuzz bench video batch ages card clean

demo: $(RUNTIME)/ready
	$(RUNTIME)/bin/python examples/demo.py

test: $(DEV)/ready
	OMP_NUM_THREADS=1 $(DEV)/bin/python -m pytest -n auto --dist worksteal

lint: $(DEV)/ready
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/ready
	$(DEV)/bin/mypy

# Changed inputs of every kind by the clock, each time others; `python tests/fuzz/run.py` takes the same few each time.
MINUTES ?= 30
fuzz: $(DEV)/ready
	$(DEV)/bin/python tests/fuzz/run.py --minutes $(MINUTES) --seed $$(date +%s)

# Times, and apparent ages of the bundled portraits; both write into benchmarks/.
bench: $(DEV)/ready
	$(DEV)/bin/python benchmarks/photo.py

# Frames a second of videos, and how steady they are; writes benchmarks/video.json.
video: $(DEV)/ready
	$(DEV)/bin/python benchmarks/video.py

# Photographs a second of a loop, a pool and Ray (benchmarks/batch.json), and the tables of docs/scale.md.
batch: $(DEV)/ready
	$(DEV)/bin/python benchmarks/batch.py
	$(DEV)/bin/python benchmarks/simulated_batch.py

ages: $(DEV)/ready
	$(DEV)/bin/python benchmarks/ages.py

# The model card, from the scorecard of the embedded model (`benchmarks/scorecard.py INDEX`).
card: $(DEV)/ready
	$(DEV)/bin/python benchmarks/card.py

# The runtime alone: no torch.
$(RUNTIME)/ready: pyproject.toml
	$(PYTHON) -m venv $(RUNTIME)
	$(RUNTIME)/bin/pip install -q -e .
	@touch $@

# What develops, trains and tests; constraints.txt pins the CPU build of torch.
$(DEV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install -q -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(RUNTIME) $(DEV) demo
