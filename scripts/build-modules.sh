#!/usr/bin/env bash
# Builds every module and its tests as if it lived in its own repository (GOWORK=off).
#
# When to run it: after changing a go.mod; `task build-modules` calls it.
set -euo pipefail
. "$(dirname "$0")/env.sh"

for module in $(modules); do
  echo "$module"
  alone "$module" go build ./...
  alone "$module" go vet -tags e2e ./... # builds the tests as well
done
