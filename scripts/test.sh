#!/usr/bin/env bash
# Runs the test command of the README as the pipeline does: with PostgreSQL, the public vectors and every tool present,
# and nothing allowed to be left out. The command is read from README.md, so that the two cannot drift apart.
#
# When to run it: before a release or when a test passes here and fails in the pipeline; otherwise `task test` does.
# It wants CRYPTOUTIL_VECTORS (see scripts/vectors.sh) and jq, and runs best below scripts/with-postgres.sh.
# Every event is kept in .ci/log/test.json.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
export CRYPTOUTIL_TEST_REQUIRED=1 # a test that lacks a tool, a server or vectors fails instead of skipping

if [ ! -d "${CRYPTOUTIL_VECTORS:-}/wycheproof" ]; then
  echo "CRYPTOUTIL_VECTORS names no folder with wycheproof/ in it; scripts/vectors.sh fetches one" >&2
  exit 1
fi
commands=$(sed -n 's/^[[:space:]$]*\([A-Z0-9_]*=[^ ]* \)*\(go test [^#]*\bwork\b\).*/\2/p' README.md | sed 's/ *$//' | sort -u)
if [ -z "$commands" ] || [ "$(wc -l <<< "$commands")" -ne 1 ]; then
  echo "README.md must name one test command, \`go test ... work\`; found: ${commands:-none}" >&2
  exit 1
fi

mkdir -p .ci/log
events=.ci/log/test.json
echo "\$ $commands"
status=0
# -json is the one addition; what a plain run prints is printed from it.
bash -c "${commands/go test/go test -json}" < /dev/null |
  tee "$events" |
  jq --unbuffered -rj '
    select((.Action == "output" and .Test == null) or .Action == "build-output") | .Output |
    select(. != "PASS\n" and (startswith("-test.shuffle") | not))' ||
  status=$?

if [ "$status" -ne 0 ]; then
  printf '\nWhat the failed tests wrote:\n'
  jq -rjs '
    (map(select(.Action == "fail") | .Package + " " + (.Test // "-test.shuffle")) | unique) as $failed |
    .[] | select(.Action == "output") |
    select(.Package + " " + (.Test // (.Output | split(" ")[0])) | IN($failed[])) | .Output' "$events"
fi
scripts/check-tests.sh "$events" || status=1
exit "$status"
