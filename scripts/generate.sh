#!/usr/bin/env bash
# Regenerates every *.gen.go, and the references in docs/, of services and libraries from their OpenAPI documents.
#
# When to run it: after a change to services/*/api or libs/*/api; `task generate` calls it. Arguments name the services
# or libraries (`scripts/generate.sh kms`); without one it takes all. `scripts/generate.sh --check` changes nothing and fails where a
# committed file is not what would be generated.
#
# A module takes part by having configurations of oapi-codegen in its api folder, told from other YAML by their
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
cd "$root"
everything=
if [ $# -eq 0 ]; then
  everything=1
  set -- services/*/ libs/*/
else
  for name; do
    shift
    if [ -d "services/$name" ]; then
      set -- "$@" "services/$name"
    elif [ -d "libs/$name" ]; then
      set -- "$@" "libs/$name"
    else
      echo "there is neither services/$name nor libs/$name" >&2
      exit 1
    fi
  done
fi
for module; do
  module=${module%/}
  for config in "$module"/api/*.yaml; do
    target=$(sed -n 's/^output: *//p' "$config" 2> /dev/null || true)
    [ -n "$target" ] || continue
    # Written elsewhere first: a failure leaves the old file, and a check the work tree, as it is.
    sed "s#^output:.*#output: $scratch/generated.go#" "$config" > "$scratch/config.yaml"
    (cd "$module" && "$root/.bin/oapi-codegen" -config "$scratch/config.yaml" api/openapi.yaml)
    if [ -z "$check" ]; then
      cat "$scratch/generated.go" > "$module/$target"
      echo "$module/$target"
    elif ! diff -u --label "$module/$target" --label "what would be generated" "$module/$target" "$scratch/generated.go"; then
      failed=1
    fi
  done
done
# References that programs write of themselves: a generator in services/cryptoutil/internal, and the folder that it fills.
written() {
  mkdir -p "$scratch/$1"
  go run "./services/cryptoutil/internal/$1" "$scratch/$1"
  if [ -z "$check" ]; then
    mkdir -p "$2"
    cp "$scratch/$1"/* "$2/"
    echo "$2"
  elif ! diff -ru "$2" "$scratch/$1"; then
    failed=1
  fi
}
if [ -n "$everything" ]; then
  written configdoc docs/configuration
  written clidoc docs/cli
fi
if [ "$failed" -ne 0 ]; then
  echo "run scripts/generate.sh and commit the result" >&2
  exit 1
fi
