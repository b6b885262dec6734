#!/usr/bin/env bash
# Lints everything: Go module by module (golangci-lint knows no workspaces), shell scripts, workflows.
#
# When to run it: before every commit; `task lint` calls it. Arguments name the modules to lint
# (`scripts/lint.sh libs/crypto`); with any given, only their Go code is linted. `scripts/lint.sh --fmt` formats the Go
# code of every module and lints nothing.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

scripts/tools.sh

if [ "${1:-}" = --fmt ]; then
  for module in $(modules); do
    (cd "$module" && golangci-lint fmt --config "$root/.golangci.yml")
  done
  exit 0
fi

failed=0
everything=no
if [ $# -eq 0 ]; then
  everything=yes
  # shellcheck disable=SC2046 # one word per module
  set -- $(modules)
fi
for module in "$@"; do
  if [ -z "$(find "$module" -name '*.go' -print -quit)" ]; then
    echo "$module: no Go file"
    continue
  fi
  echo "golangci-lint $module"
  (cd "$module" && golangci-lint run --allow-parallel-runners --config "$root/.golangci.yml" ./...) || failed=1
done

if [ "$everything" = yes ]; then
  echo "shellcheck"
  shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run || failed=1
  echo "actionlint"
  actionlint || failed=1
fi
if [ "$failed" -ne 0 ]; then
  echo "lint found something; each line above names file, line and linter" >&2
  exit 1
fi
