#!/usr/bin/env bash
# Installs the pinned developer tools into .bin.
#
# When to run it: once after cloning and after a change below tools/; it does nothing while .bin is up to date.
# `scripts/tools.sh tools` installs the small ones (task, oapi-codegen, actionlint), `scripts/tools.sh tools/lint`
# golangci-lint, which takes minutes to compile the first time, `scripts/tools.sh tools/secrets` gitleaks, `scripts/tools.sh
# tools/zlint` zlint, which tests of the certification authority run. Without an argument it installs all of them.
set -euo pipefail
. "$(dirname "$0")/env.sh"

checksum() { cksum | tr -d ' \n'; } # tells a change, not an attack: go.sum does that

install() { # install MODULE
  local stamp want
  stamp="$root/.bin/.stamp-$(printf %s "$1" | tr / -)"
  want="$(cat "$root/$1/go.mod" "$root/$1/go.sum" | checksum) $(go version) $GOFLAGS"
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    return 0
  fi
  echo "installing the tools of $1 into .bin"
  mkdir -p "$root/.bin"
  rm -f "$stamp"
  GOBIN="$root/.bin" GOWORK=off go -C "$root/$1" install tool
  printf '%s\n' "$want" > "$stamp"
}

if [ $# -eq 0 ]; then
  set -- tools tools/lint tools/secrets tools/zlint
fi
for module in "$@"; do
  install "$module"
done
