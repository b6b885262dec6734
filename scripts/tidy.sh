#!/usr/bin/env bash
# Brings go.mod and go.sum of every module in order: the modules of the workspace agree on versions (`go work sync`),
# and each module is tidy by itself.
#
# When to run it: after changing a dependency. `scripts/tidy.sh --check` changes nothing and fails where it would.
set -euo pipefail
. "$(dirname "$0")/env.sh"

if [ "${1:-}" != --check ]; then
  go -C "$root" work sync
  for module in $(modules); do
    alone "$module" go mod tidy
  done
  exit 0
fi

failed=0
for module in $(modules); do
  alone "$module" go mod tidy -diff || { echo "$module is not tidy" && failed=1; }
done

# go.sum is left out of the second comparison: sync adds sums to it that tidy takes out again.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
copy_tree "$copy"
go -C "$copy" work sync
for module in $(modules); do
  diff -u --label "$module/go.mod" --label "$module/go.mod after go work sync" \
    "$root/$module/go.mod" "$copy/$module/go.mod" || failed=1
done

if [ "$failed" -ne 0 ]; then
  echo "run scripts/tidy.sh and commit the result" >&2
  exit 1
fi
