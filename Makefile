# Two commands matter: `make run` and `make test`. `make help` lists the rest.

.DEFAULT_GOAL := help
.PHONY: run demo test bench lint format lock clean help

PYTHON_SOURCES := api agent signing ca pdf hsm db migrations tests

# Passed through the environment, so that any file name survives the shell.
export FILE ONLY

run: ## set up what is missing, then serve on http://127.0.0.1:8000
	@tools/bootstrap run
	@exec .venv/bin/antin serve

demo: ## issue, sign, verify, revoke, verify again; FILE=any.pdf signs that file
	@tools/bootstrap run
	@exec .venv/bin/antin demo $${FILE:+"$$FILE"}

test: lint ## everything CI runs: style, types, room contracts, tests
	@.venv/bin/python -m pytest -n auto --dist loadgroup

bench: ## measure beside peers and limits; ONLY=sign runs a part
	@tools/bootstrap test
	@.venv/bin/python -m tests.bench $${ONLY:+"$$ONLY"}

lint: ## the checks without the tests
	@tools/bootstrap test
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: ## rewrite the code in the house style
	@tools/bootstrap test
	@.venv/bin/ruff check --fix-only --quiet .
	@.venv/bin/ruff format .

LOCK := uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11

lock: ## pin dependencies again after pyproject.toml changed (UPGRADE=--upgrade takes newer ones)
	@$(LOCK) $(UPGRADE) pyproject.toml --group build -o requirements/run.lock
	@$(LOCK) $(UPGRADE) pyproject.toml --group build --group test -o requirements/test.lock
	@echo uv | $(LOCK) $(UPGRADE) - -o requirements/installer.lock

clean: ## remove what set-up and tests made; var/ (the state of the service) stays
	rm -rf .venv .tools out dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(PYTHON_SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-7s %s\n' "$$name" "$$what"; done
