#!/usr/bin/env bash
# Regenerates every *.gen.go of the services from their OpenAPI documents.
#
# When to run it: after a change to services/*/api; `task generate` calls it. Arguments name the services
# (`scripts/generate.sh kms`); without one it takes all. `scripts/generate.sh --check` changes nothing and fails where a
# committed file is not what would be generated.
#
# A service takes part by having configurations of oapi-codegen in its api folder, told from other YAML by their
# `output:` line.
set -euo pipefail
. "$(dirname "$0")/env.sh"

check=
if [ "${1:-}" = --check ]; then
  check=1
  shift
fi
"$root/scripts/tools.sh" tools

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
cd "$root/services"
[ $# -gt 0 ] || set -- *
for service; do
  if [ ! -d "$service" ]; then
    echo "there is no services/$service" >&2
    exit 1
  fi
  for config in "$service"/api/*.yaml; do
    target=$(sed -n 's/^output: *//p' "$config" 2> /dev/null || true)
    [ -n "$target" ] || continue
    # Written elsewhere first: a failure leaves the old file, and a check the work tree, as it is.
    sed "s#^output:.*#output: $scratch/generated.go#" "$config" > "$scratch/config.yaml"
    (cd "$service" && "$root/.bin/oapi-codegen" -config "$scratch/config.yaml" api/openapi.yaml)
    if [ -z "$check" ]; then
      cat "$scratch/generated.go" > "$service/$target"
      echo "services/$service/$target"
    elif ! diff -u --label "services/$service/$target" --label "what would be generated" "$service/$target" "$scratch/generated.go"; then
      failed=1
    fi
  done
done
if [ "$failed" -ne 0 ]; then
  echo "run scripts/generate.sh and commit the result" >&2
  exit 1
fi
