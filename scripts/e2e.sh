#!/usr/bin/env bash
# Builds the programs and runs the black-box tests on them: the test files with the build tag e2e, which find the
# binaries in the folder CRYPTOUTIL_TEST_BIN names.
#
# When to run it: `task e2e`, which gives it PostgreSQL. Arguments go to `go test` (`task e2e -- -run Restart`).
# It wants jq. The events are kept in .ci/log/e2e.json.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

scripts/build.sh
files=$(git grep -lI --untracked '^//go:build e2e$' -- '*_test.go' || true)
if [ -z "$files" ]; then
  echo "no test file has the build tag e2e" >&2
  exit 1
fi
folders=$(xargs -n1 dirname <<< "$files" | sort -u | sed 's#^#./#')
export CRYPTOUTIL_TEST_BIN="$root/bin"
# shellcheck disable=SC2086 # one word per folder
scripts/go-test.sh .ci/log/e2e.json -tags e2e -count 1 -shuffle on "$@" $folders
