#!/usr/bin/env bash
# Proves from the sources that FIPS 140-3 enforcement is switched on everywhere and that no module is forgotten.
# Each place counts in another situation: go.work in workspace builds, go.mod under GOWORK=off, //go:debug in a main
# package always, and the guard of libs/crypto/fips where GODEBUG in the environment overrides them all.
#
# When to run it: after adding a module, a program or the first test of a package; `task check-fips` calls it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
failed=0
complain() {
  echo "$*"
  failed=1
}
tracked() { git ls-files --cached --others --exclude-standard -- "$@"; }

go_line=$(grep '^go ' go.work)
files=$(tracked 'go.mod' '*/go.mod')
for file in go.work $files; do
  grep -qx "$go_line" "$file" || complain "$file: must say \"$go_line\", as go.work does"
  case "$file" in
    tools/*) continue ;; # developer tools, outside the workspace: no program of the product
  esac
  grep -qx 'godebug fips140=only' "$file" || complain "$file: lacks the line \"godebug fips140=only\""
  [ "$file" = go.work ] || modules | grep -qx "$(dirname "$file")" || complain "$file: not a module of go.work"
done

# That each program calls the guard is for the release gate to see, which tries the binaries.
programs=$(programs)
for program in $programs; do
  folder=${program#"$module_prefix"/}
  for file in "$folder"/*.go; do sed '/^package /q' "$file"; done | grep -x '//go:debug fips140=only' > /dev/null ||
    complain "$folder: no file says \"//go:debug fips140=only\" above its package clause"
done

# libs/config and libs/telemetry import no sibling, so their TestMain asks crypto/fips140 itself.
folders=$(tracked '*_test.go' | grep -v /testdata/ | xargs -n1 dirname | sort -u)
for folder in $folders; do
  guard='fips\.Require()'
  case "$folder" in
    libs/config | libs/config/* | libs/telemetry | libs/telemetry/*) guard='fips140\.Enforced()\|\.RequireFIPS()\|fips\.Require()' ;;
  esac
  grep -h -A4 '^func TestMain(m \*testing\.M)' "$folder"/*_test.go | grep -q "$guard" ||
    complain "$folder: its tests have no TestMain that calls fips.Require() first"
done

[ "$failed" -eq 0 ] && echo "FIPS 140-3 enforcement is switched on everywhere"
exit "$failed"
