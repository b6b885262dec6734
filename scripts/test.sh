#!/usr/bin/env bash
# Runs the test command of the README as the pipeline does: with PostgreSQL, the public vectors and every program
# present, and nothing left out. The command is read from README.md, so that the two cannot drift apart.
#
# When to run it: before a release, or when a test passes here and fails in the pipeline; `task test-all` gives it
# PostgreSQL. It wants jq and CRYPTOUTIL_VECTORS (see scripts/vectors.sh). The events are kept in .ci/log/test.json.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

if [ ! -d "${CRYPTOUTIL_VECTORS:-}/wycheproof" ]; then
  echo "CRYPTOUTIL_VECTORS names no folder with wycheproof/ in it; scripts/vectors.sh fetches one" >&2
  exit 1
fi
arguments=$(sed -n 's/^[[:space:]$]*\([A-Z0-9_]*=[^ ]* \)*go test \([^#]*\bwork\b\).*/\2/p' README.md | sort -u)
if [ -z "$arguments" ] || [ "$(wc -l <<< "$arguments")" -ne 1 ]; then
  echo "README.md must name one test command, \`go test ... work\`; found: ${arguments:-none}" >&2
  exit 1
fi

status=0
# shellcheck disable=SC2086 # one word per argument
scripts/go-test.sh .ci/log/test.json $arguments || status=1
scripts/check-tests.sh .ci/log/test.json || status=1
exit "$status"
