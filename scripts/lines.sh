#!/usr/bin/env bash
# Counts the hand-written lines of Go of a service, and of the template that it stands on: no tests, nothing generated; comments and
# blank lines among them. Prints a table in Markdown.
#
# When to run it: for docs/benchmarks, or to see what a change of a service adds. Arguments name services (default: all).
# The client is counted by itself: it is a library for callers.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

# What every service is made of: libs/service and the libraries that it is built on. libs/crypto is a library of the field,
# libs/testkit is for tests, libs/apiclient is for clients.
template="service server auth database config federation telemetry tlsconfig"

# lines FOLDER... counts; folders that are not there have none.
lines() {
  find "$@" -name '*.go' ! -name '*_test.go' ! -name '*.gen.go' ! -path '*/testdata/*' -print0 2> /dev/null | xargs -0 -r cat | wc -l
}

# row NAME COUNT OF prints a count and its share.
row() { printf '| %s | %d | %.1f %% |\n' "$1" "$2" "$(awk -v a="$2" -v b="$3" 'BEGIN { print b ? 100 * a / b : 0 }')"; }

# shellcheck disable=SC2046 # one word per service
[ $# -gt 0 ] || set -- $(cd services && printf '%s\n' */ | sed 's#/##' | grep -vx cryptoutil)
shared=0
for lib in $template; do
  shared=$((shared + $(lines "libs/$lib")))
done
for service; do
  [ -d "services/$service" ] || { echo "there is no services/$service" >&2; exit 1; }
  client=$(lines "services/$service/client")
  commands=$(lines "services/$service/internal/cli")
  # What only tests import is no part of the service.
  helpers=$(find "services/$service" -type d -name '*test' -print0 | xargs -0 -r -I{} bash -c 'find {} -name "*.go" ! -name "*_test.go" ! -name "*.gen.go" -print0' | xargs -0 -r cat | wc -l)
  own=$(($(lines "services/$service") - client - commands - helpers))
  whole=$((own + shared))
  printf '\n## %s\n\n| part | lines | share of what serves |\n|---|---|---|\n' "$service"
  for part in "services/$service"/internal/*/; do
    name=$(basename "$part")
    [ "$name" != cli ] && [ "${name%test}" = "$name" ] && row "internal/$name" "$(lines "$part")" "$whole"
  done
  row "the service itself" "$own" "$whole"
  for lib in $template; do
    row "libs/$lib" "$(lines "libs/$lib")" "$whole"
  done
  row "the template together" "$shared" "$whole"
  printf '| beside it: commands of the command line | %d | |\n| beside it: the Go client | %d | |\n' "$commands" "$client"
done
