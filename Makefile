# Two commands: `make demo` and `make test`. Each installs what it needs into .venv, and nothing anywhere else
# (`make test` run as root also lets Debian install its Chromium and a Chinese font).

VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test faults bench check diagram lock clean

setup: $(VENV)/installed

$(VENV)/installed: requirements.lock pyproject.toml .ci/setup
	.ci/setup $(VENV)
	touch $@

demo: setup
	$(BIN)/orderhub demo $(DEMO)

test: setup
	.ci/test

faults: setup
	.ci/faults $(FAULTS)

check: setup
	.ci/check

bench: setup
	.ci/bench

diagram: setup
	$(BIN)/python -m orderhub_core.diagram README.md README.zh-CN.md

lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links -q -o requirements.lock

clean:
	rm -rf $(VENV) build dist
