#!/usr/bin/env bash
# Reads the events of a test run (`go test -json`) and proves that it was whole: tests passed in every module, nothing
# was skipped, vectors were read, and what ran on SQLite ran on PostgreSQL as well.
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
count=$(grep -c . <<< "$passed" || true)

# The innermost module a package lies in owns it: services/kms/client is not counted for services/kms.
owned=$(modules | awk -v prefix="$module_prefix/" '
  NR == FNR { module[prefix $1] = 1; next }
  { path = $1; while (path != "" && !(path in module)) { if (!sub("/[^/]*$", "", path)) path = "" }; print path }
' - <(cut -d' ' -f1 <<< "$passed") | sort | uniq -c)
printf 'tests and subtests passed: %s\n%s\n' "$count" "$owned"
for module in $(modules); do
  grep -qE " $module_prefix/$module\$" <<< "$owned" || complain "no test of $module was seen to pass"
done

skipped=$(jq -r 'select(.Action == "skip" and .Test != null) | .Package + " " + .Test' "$events" | sort -u)
[ -z "$skipped" ] || complain "skipped:
$skipped"

grep -qiE 'vector|wycheproof' <<< "$passed" || complain "no test with vector or Wycheproof in its name was seen to pass"

sqlite=$(grep -E '/sqlite$' <<< "$passed" || true)
postgres=$(grep -E '/postgres$' <<< "$passed" || true)
missing=$(comm -23 <(sort <<< "${sqlite//\/sqlite//postgres}") <(sort <<< "$postgres"))
[ -n "$postgres" ] || complain "no test was seen to pass on PostgreSQL"
[ -z "$missing" ] || complain "passed on SQLite and not on PostgreSQL:
$missing"

slow=$(jq -r 'select((.Action == "pass" or .Action == "fail") and .Test == null and .Elapsed > 15) | "\(.Package) \(.Elapsed) s"' "$events")
[ -z "$slow" ] || printf 'warning: packages slower than 15 s:\n%s\n' "$slow"
exit "$failed"
