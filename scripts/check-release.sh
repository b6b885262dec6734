#!/usr/bin/env bash
# The release gate: proves on the built binaries themselves that each is static and free of cgo, holds the certified
# cryptographic module, enforces FIPS 140-3, and refuses to run (exit 78, one line) when the environment weakens it.
#
# When to run it: after scripts/build.sh; arguments name binaries, none means all in bin/. `task check-release` calls both.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
limit=$((40 * 1024 * 1024)) # a service's image holds little else and stays below 40 MB

failed=0
complain() {
  echo "$binary: $*"
  failed=1
}
setting() { awk -v key="$1" '$1 == "build" && index($2, key "=") == 1 { print substr($2, length(key) + 2) }' <<< "$info"; }

# refused VALUE: the binary must not run with GODEBUG=VALUE.
refused() {
  local status=0
  GODEBUG=$1 "$binary" version > "$output/out" 2> "$output/err" < /dev/null || status=$?
  [ "$status" -eq 78 ] || complain "GODEBUG=$1: exit status $status instead of 78"
  [ "$(wc -l < "$output/err")" -eq 1 ] || complain "GODEBUG=$1: wrote $(wc -l < "$output/err") lines to stderr instead of one"
  [ ! -s "$output/out" ] || complain "GODEBUG=$1: wrote to stdout"
}

output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
[ $# -gt 0 ] || set -- bin/*
for binary in "$@"; do
  [ -x "$binary" ] || { complain "not built; run scripts/build.sh" && continue; }
  binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
  info=$(go version -m "$binary")
  case "$(setting GOFIPS140)" in
    certified | v1.0.0 | v1.0.0-*) ;; # the toolchain writes what `certified` stood for
    *) complain "GOFIPS140 is \"$(setting GOFIPS140)\", not the certified module" ;;
  esac
  tr ',' '\n' <<< "$(setting DefaultGODEBUG)" | grep -qx 'fips140=only' || complain "DefaultGODEBUG lacks fips140=only"
  [ "$(setting CGO_ENABLED)" = 0 ] || complain "built with CGO_ENABLED=$(setting CGO_ENABLED)"
  [ "$(setting -trimpath)" = true ] || complain "built without -trimpath"
  ! setting -tags | grep -qw purego || complain "built with the tag purego"

  headers=$(readelf --program-headers --dynamic --wide "$binary")
  ! grep -qE '\b(INTERP|NEEDED)\b' <<< "$headers" || complain "dynamically linked"
  ! grep -aqE 'runtime/cgo[./]' "$binary" || complain "the cgo runtime is linked in"
  ! grep -aqF "$root/" "$binary" || complain "holds paths of the machine it was built on"
  [ "$(wc -c < "$binary")" -le "$limit" ] || [ "${binary##*/}" = cryptoutil ] || complain "larger than $limit bytes"

  "$binary" version > /dev/null < /dev/null || complain "\`version\` fails"
  refused fips140=off
  refused fips140=on
  echo "${binary##*/}: $(wc -c < "$binary") bytes, GOFIPS140=$(setting GOFIPS140), DefaultGODEBUG=$(setting DefaultGODEBUG)"
done
exit "$failed"
