#!/usr/bin/env bash
# Runs `go test` so that nothing is lost: it prints what a plain run prints, what failed tests wrote, and what was
# skipped, which counts as a failure. Every event is kept as JSON.
#
# When to run it: scripts/test.sh and scripts/e2e.sh do; by hand `scripts/go-test.sh FILE ./libs/crypto/...`.
# The first argument is the file for the events, the others are those of `go test`.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
export CRYPTOUTIL_TEST_REQUIRED=1 # a test that lacks a program, a server or vectors fails instead of skipping
events=$1
shift

mkdir -p "$(dirname "$events")"
printf '$ go test %s\n' "$*"
status=0
go test -json "$@" < /dev/null | tee "$events" | jq --unbuffered -rj '
  select((.Action == "output" and .Test == null) or .Action == "build-output") | .Output |
  select(. != "PASS\n" and (startswith("-test.shuffle") | not))' || status=$?

if [ "$status" -ne 0 ]; then
  printf '\nWhat the failed tests wrote:\n'
  jq -rjs '
    (map(select(.Action == "fail") | .Package + " " + (.Test // "-test.shuffle")) | unique) as $failed |
    .[] | select(.Action == "output") |
    select(.Package + " " + (.Test // (.Output | split(" ")[0])) | IN($failed[])) | .Output' "$events"
fi

# Tests that are no tests of their own, and the one thing root cannot try.
accepted='runs in a process of its own|root may write everywhere'
skipped=$(jq -rs --arg accepted "$accepted" '
  group_by(.Package + " " + (.Test // ""))[] | select(.[0].Test != null and any(.Action == "skip")) |
  {name: (.[0].Package + " " + .[0].Test), text: (map(.Output // "") | join(""))} |
  select(.text | test($accepted) | not) | .name, .text' "$events")
if [ -n "$skipped" ]; then
  printf '\nSkipped, which a full run must not do:\n%s\n' "$skipped"
  status=1
fi
exit "$status"
