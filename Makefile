# The whole manual: `make help` prints it. Every target sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
OONI   := .venv-ooni
NODE   := .venv-node
ANSIBLE := .venv-ansible
PYFILES := wire agent collector deploy/demo ansible tests bench hatch_build.py
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup system demo demo-check test ooni-check check fix bench score crash lock docs clean lab wheelhouse lab-nodes ansible-check
.DEFAULT_GOAL := help

help: ## Print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything, pinned by version and hash

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Shyraq needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=python3.x."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "The venv module is missing: apt-get install python3-venv"; exit 1; }
	@rm -f $(STAMP)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

system: ## Install the Debian packages that the tests need, or name them
	@sh tests/system-packages

demo: setup ## Play the demo country: a page and the terminal tell the story; Ctrl-C ends it
	$(BIN)/python -m shyraq_demo play

demo-check: setup ## Play the demo headless, compare found with expected, exit 1 on any miss
	$(BIN)/python -m shyraq_demo check

test: system setup $(ANSIBLE)/.ready ## All tests, on real sockets, a real broker and real files
	$(BIN)/python -m pytest

ooni-check: setup $(OONI)/.ready ## Load every kind of OONI export in OONI's own reader
	@mkdir -p build
	$(BIN)/python tests/oonidata/write_exports.py build/ooni-exports.jsonl
	$(OONI)/bin/python tests/oonidata/load_exports.py build/ooni-exports.jsonl

$(OONI)/.ready: requirements/ooni.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { \
	  echo "oonidata 0.3.0 needs Python 3.11 or 3.12. Set PYTHON=python3.11."; exit 1; }
	@$(PYTHON) -m venv $(OONI)
	$(OONI)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ooni.txt
	@touch $@

check: setup ## Formatting, lint, types, import contracts, documentation, spelling, security
	$(BIN)/ruff format --check $(PYFILES)
	$(BIN)/ruff check $(PYFILES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/interrogate --quiet wire agent collector deploy/demo
	$(BIN)/codespell
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml wire agent collector deploy

fix: setup ## Format, and mend what the linter can
	$(BIN)/ruff check --fix $(PYFILES)
	$(BIN)/ruff format $(PYFILES)

bench: setup $(NODE)/.ready ## Speed and memory as ratios against bare baselines in the same run
	$(BIN)/python bench/run.py

# What a node has: the agent's own packages and no others, or the bench would weigh those, too.
$(NODE)/.ready: $(STAMP) requirements/agent.txt $(shell find wire agent -name '*.py')
	@rm -rf build/node
	@$(PYTHON) -m venv --clear $(NODE)
	$(NODE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/agent.txt
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir build/node .
	$(NODE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-index --find-links build/node shyraq
	@touch $@

score: setup ## Recall, precision, scope and delay on a simulated country with known truth, beside two baselines
	$(BIN)/python bench/score.py $(SCORE)

crash: system setup ## Kill agent, collector and broker 100 times; nothing may be lost, forked or doubled
	$(BIN)/python tests/journeys/crash.py

lab: system setup ## Real probes, agents and judge in a country of namespaces that censors; prints the matrix
	PYTHONPATH=tests $(BIN)/python -m netlab.run

wheelhouse: setup ## Build build/wheelhouse: all Python packages of a fleet, by hash, for both architectures
	$(BIN)/python ansible/wheelhouse.py build/wheelhouse

ansible-check: $(ANSIBLE)/.ready ## ansible-lint over the collection, production profile
	cd ansible && PATH="$(abspath $(ANSIBLE))/bin:$$PATH" ansible-lint --offline .

lab-nodes: setup $(ANSIBLE)/.ready ## A fleet of booted Debian machines, run by the real playbooks; root, about 15 minutes
	@sh tests/system-packages field
	PYTHONPATH=tests $(BIN)/python -m field.run

$(ANSIBLE)/.ready: requirements/ansible.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ansible-core 2.19 needs Python 3.11 or newer. Set PYTHON=python3.x."; exit 1; }
	@$(PYTHON) -m venv $(ANSIBLE)
	$(ANSIBLE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ansible.txt
	@touch $@

docs: setup ## Write the generated pages of docs/reference anew; tests compare them
	$(BIN)/shyraq-agent check-config --keys > docs/reference/agent-configuration.md
	$(BIN)/python -m shyraq_collector.config.reference > docs/reference/collector-configuration.md
	$(BIN)/python -m shyraq_collector.config.reference responder > docs/reference/responder-configuration.md
	$(BIN)/python -m shyraq_collector.judge.reference > docs/reference/rules.md
	$(BIN)/python -m shyraq_collector.incidents.lifecycle > docs/reference/incident-lifecycle.md
	PYTHONPATH=tests $(BIN)/python -m netlab.reference > docs/reference/lab.md

lock: setup ## Regenerate requirements/*.txt (hash-pinned, no registry address)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra agent pyproject.toml -o requirements/agent.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra collector pyproject.toml -o requirements/collector.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra agent --extra collector --extra dev pyproject.toml -o requirements/dev.txt
	echo oonidata==0.3.0 | $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade - -o requirements/ooni.txt
	printf 'ansible-core>=2.19,<2.20\nansible-lint>=26\n' | $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade - -o requirements/ansible.txt

clean: ## Remove what the other targets made
	rm -rf $(VENV) $(OONI) $(NODE) $(ANSIBLE) build dist .coverage* htmlcov .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
