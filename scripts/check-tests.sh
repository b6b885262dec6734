#!/usr/bin/env bash
# Reads the events of a test run (`go test -json`) and proves that it was whole: tests passed in every module, vectors
# were read, and what ran on SQLite ran on PostgreSQL as well.
#
# When to run it: scripts/test.sh does; by hand on a kept .ci/log/test.json.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
export LC_ALL=C
events=$1
failed=0
complain() {
  printf '%s\n' "$*"
  failed=1
}

passed=$(jq -r 'select(.Action == "pass" and .Test != null) | .Package + " " + .Test' "$events" | sort -u)

# The innermost module a package lies in owns it: services/kms/client does not count for services/kms.
per_module=$(awk -v prefix="$module_prefix/" '
  NR == FNR { count[prefix $1] = 0; next }
  { path = $1; while (path != "" && !(path in count)) if (!sub("/[^/]*$", "", path)) path = ""; count[path]++ }
  END { for (path in count) print count[path], substr(path, length(prefix) + 1) }
' <(modules) <(printf '%s' "$passed") | sort -k2)
printf '\nTests and subtests that passed, by module:\n%s\n' "$per_module"

# black_box_only MODULE: all its test files have the build tag e2e, so that another step runs them.
black_box_only() {
  local files
  files=$(git ls-files --cached --others --exclude-standard -- "$1/*_test.go")
  # shellcheck disable=SC2086,SC2143 # one word per file; grep -L lists, its status says little
  [ -n "$files" ] && [ -z "$(grep -L '^//go:build e2e$' $files)" ]
}
while read -r count module; do
  [ "$count" -gt 0 ] || black_box_only "$module" || complain "no test of $module was seen to pass"
done <<< "$per_module"

grep -qiE 'vector|wycheproof' <<< "$passed" || complain "no test with Vector or Wycheproof in its name was seen to pass"

sqlite=$(grep -E '/sqlite$' <<< "$passed" || true)
postgres=$(grep -E '/postgres$' <<< "$passed" || true)
missing=$(comm -23 <(sort <<< "${sqlite//\/sqlite//postgres}") <(sort <<< "$postgres"))
[ -n "$postgres" ] || complain "no test was seen to pass on PostgreSQL"
[ -z "$missing" ] || complain "passed on SQLite and not on PostgreSQL:
$missing"

slow=$(jq -r 'select((.Action == "pass" or .Action == "fail") and .Test == null and .Elapsed > 15) | "\(.Package) \(.Elapsed) s"' "$events")
[ -z "$slow" ] || printf 'warning: packages slower than 15 s:\n%s\n' "$slow"
exit "$failed"
