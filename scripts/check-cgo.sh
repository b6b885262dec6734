#!/usr/bin/env bash
# Proves that no dependency of any program has cgo files for the platforms released. It asks with cgo switched on:
# switched off, Go leaves such files out silently, and a feature could be missing without anybody noticing.
#
# When to run it: after adding or upgrading a dependency; `task check-cgo` calls it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

programs=$(programs)
[ -n "$programs" ] || { echo "the workspace has no program" >&2 && exit 1; }
failed=0
for platform in linux/amd64 linux/arm64; do
  # shellcheck disable=SC2086 # one word per program
  found=$(CGO_ENABLED=1 GOOS=${platform%/*} GOARCH=${platform#*/} go list -deps \
    -f '{{if not .Standard}}{{if or .CgoFiles .SwigFiles .SwigCXXFiles}}{{.ImportPath}} {{.CgoFiles}}{{end}}{{end}}' $programs)
  if [ -n "$found" ]; then
    printf '%s: cgo in %s\n' "$platform" "$found"
    failed=1
  fi
done
[ "$failed" -eq 0 ] && echo "no dependency has cgo files"
exit "$failed"
