#!/usr/bin/env bash
# Brings go.mod and go.sum of every module in order: replace lines reach the siblings (scripts/replaces.sh), the modules of
# the workspace agree on versions (`go work sync`), and each module is tidy by itself.
#
# When to run it: after changing a dependency or importing another sibling. `scripts/tidy.sh --check` changes nothing and fails where it would.
set -euo pipefail
. "$(dirname "$0")/env.sh"

if [ "${1:-}" != --check ]; then
  "$root/scripts/replaces.sh"
  go -C "$root" work sync
  for module in $(modules); do
    alone "$module" go mod tidy
  done
  "$root/scripts/replaces.sh" # a requirement may have gone
  exit 0
fi

failed=0
for module in $(modules); do
  alone "$module" go mod tidy -diff || { echo "$module is not tidy" && failed=1; }
done

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
copy_tree "$copy"
go -C "$copy" work sync
for module in $(modules); do
  for file in "$module/go.mod" "$module/go.sum"; do
    [ ! -e "$copy/$file" ] || diff -uN --label "$file" --label "$file after go work sync" "$root/$file" "$copy/$file" ||
      failed=1
  done
done

if [ "$failed" -ne 0 ]; then
  echo "run scripts/tidy.sh and commit the result" >&2
  exit 1
fi
