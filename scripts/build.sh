#!/usr/bin/env bash
# Builds every program of the workspace into bin/: static, stripped, reproducible, with the certified FIPS module.
#
# When to run it: whenever binaries are wanted; `task build` calls it. VERSION is stamped into them (default: what
# `git describe` says).
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

version=${VERSION:-$(git describe --tags --always --dirty 2> /dev/null || echo unknown)}
# fips.release=1 makes the start-up guard insist on the certified module as well as on enforcement.
ldflags="-s -w -X $module_prefix/libs/telemetry/buildinfo.Version=$version -X $module_prefix/libs/crypto/fips.release=1"

# Generators and other programs of the project itself lie under internal/.
programs=$(programs | grep -v /internal/ || true)
if [ -z "$programs" ]; then
  echo "the workspace has no program to build" >&2
  exit 1
fi
rm -rf bin
mkdir bin
for program in $programs; do
  go build -ldflags "$ldflags" -o "bin/${program##*/}" "$program"
  echo "bin/${program##*/} $version"
done
