#!/usr/bin/env bash
# Writes the Go code that comes from the services' contracts: every services/*/api/*.yaml that names an `output` is a
# configuration of oapi-codegen, applied to the openapi.yaml beside it. What is written ends in .gen.go and is committed.
#
# When to run it: after changing a contract or oapi-codegen's version; `task generate` calls it. Arguments name the
# services (`scripts/generate.sh kms`), none means all. `scripts/generate.sh --check` changes nothing and fails where
# a generated file of the repository differs from a fresh one, or comes from no configuration.
set -euo pipefail
. "$(dirname "$0")/env.sh"

generate() { # generate TREE SERVICE
  local config target
  for config in "$1/services/$2"/api/*.yaml; do
    target=$(sed -n 's/^output: *//p' "$config")
    [ -n "$target" ] || continue
    (cd "$1/services/$2" && oapi-codegen -config "api/${config##*/}" api/openapi.yaml)
    echo "services/$2/$target"
  done
}

services() { # of the tree TREE, those with a contract
  local contract
  for contract in "$1"/services/*/api/openapi.yaml; do
    [ -e "$contract" ] || continue # there is none at all
    basename "$(dirname "$(dirname "$contract")")"
  done
}

"$root/scripts/tools.sh" tools
if [ "${1:-}" != --check ]; then
  if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # one word per service
    set -- $(services "$root")
  fi
  for service in "$@"; do
    generate "$root" "$service"
  done
  exit 0
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
copy_tree "$copy"
find "$copy" -name '*.gen.go' -delete
for service in $(services "$copy"); do
  generate "$copy" "$service"
done
failed=0
for file in $(for tree in "$root" "$copy"; do (cd "$tree" && find . -name '*.gen.go'); done | sort -u); do
  if [ ! -e "$copy/$file" ]; then
    echo "$file: no configuration writes it"
    failed=1
  elif [ ! -e "$root/$file" ]; then
    echo "$file: missing"
    failed=1
  elif ! diff -u --label "$file" --label "$file, fresh" "$root/$file" "$copy/$file"; then
    failed=1
  fi
done
if [ "$failed" -ne 0 ]; then
  echo "run scripts/generate.sh and commit the result" >&2
  exit 1
fi
