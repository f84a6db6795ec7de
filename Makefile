# Two commands need nothing but Python 3.11 and make: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv/bin
LOCK := .venv/tools/bin/uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --quiet

# What Python compiled is kept, whatever the surroundings say: else each of the many processes here takes seconds to start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help openapi demo demo-reset backup restore-drill test test-on-dates interleavings tamperings examples faults bench lint format screenshots lock sessions clean environment sbom

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: environment ## run everything here, on PORT (default 8000), until Ctrl-C
	@exec $(VENV)/python -m riskadmin.local.demo

demo-reset: ## forget the demo's data
	@exec $(PYTHON) -m riskadmin.local.reset

backup: environment ## back the demo's data up into .run/backups, with a manifest
	@$(VENV)/python -m riskadmin.local.on_demo backup --operator "$${OPERATOR:-$$(id -un)}" $(ARGS)

restore-drill: environment ## restore the newest backup into a second PostgreSQL, verify it, delete the copy; ARGS=<backup>
	@$(VENV)/python -m riskadmin.local.restore_drill $(ARGS)

test: environment ## run every test, those in a browser too; ARGS="-k lock" narrows
	@$(VENV)/python -m riskadmin.local.chromium
	@$(VENV)/python -m pytest -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

test-on-dates: environment ## run the tests with the machine's clock at five dates to come; needs libfaketime (apt-get install faketime)
	@$(VENV)/python -m tests.dates -n 3 --dist loadgroup --no-loadscope-reorder $(ARGS)

interleavings: environment ## try random orders of approvals, edits, roles, policies and claims; RUNS=10000
	@INTERLEAVINGS=$${RUNS:-10000} $(VENV)/python -m pytest -n 0 -q tests/approvals/test_interleavings.py

tamperings: environment ## alter the audit trail in random ways and have the offline verifier find each: RUNS=1200
	@TAMPERINGS=$${RUNS:-1200} $(VENV)/python -m pytest -n 0 -q tests/audit/proof/test_tampering.py -k unseen

examples: environment ## try many random examples in every test of any input; EXAMPLES=1000
	@EXAMPLES=$${EXAMPLES:-1000} $(VENV)/python -m pytest -n 2 -m hypothesis $(ARGS)

faults: environment ## hurt everything at random and check what is left: SEED=7 RUNS=500, or MINUTES=30
	@$(VENV)/python -m tests.faults

bench: environment ## measure speed and calls, as ratios of one run; SCALE=full for the sizes of the goals, PARTS=short_answers for cut answers
	@$(VENV)/python -m tests.bench

lint: export SECRET_KEY = only-for-checks-that-read-the-settings-000000
lint: environment ## check style, types, packages and templates (a test checks migrations)
	@failed=; for check in "ruff check" "ruff format --check" "mypy ." lint-imports "djlint --quiet --check --lint templates"; do \
		echo "== $$check"; $(VENV)/$$check || failed="$$failed ($$check)"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

format: environment ## format Python and templates
	$(VENV)/ruff check --fix --quiet
	$(VENV)/ruff format
	$(VENV)/djlint --quiet --reformat templates

openapi: export SECRET_KEY = only-for-checks-that-read-the-settings-000000
openapi: environment ## write docs/openapi.json, the description of the API, again
	@$(VENV)/python manage.py export_openapi_schema --api accounts.api.views.api --indent 2 --sorted --output docs/openapi.json

screenshots: environment ## make the README's pictures from the demo that runs
	@$(VENV)/python -m riskadmin.local.chromium
	@$(VENV)/python -m tests.browser.screenshots

lock: environment ## resolve the dependencies of pyproject.toml again
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --extra telemetry -o requirements-telemetry.lock
	$(LOCK) --group simulator -o requirements-simulator.lock
	$(LOCK) pyproject.toml --extra telemetry --group simulator --group embedded --group dev -o requirements-dev.lock
	$(LOCK) --group installer -o requirements-uv.lock

sessions: environment ## make the table of trading sessions again from the library of exchange calendars
	@$(VENV)/python -m riskadmin.local.sessions

sbom: environment ## write what the image adds, as CycloneDX, to .run/riskadmin.cdx.json
	@mkdir -p .run && $(VENV)/python -m riskadmin.local.bill_of_materials > .run/riskadmin.cdx.json

clean: demo-reset ## forget the environment and every cache too
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@$(PYTHON) riskadmin/local/bootstrap.py
