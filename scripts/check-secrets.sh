#!/usr/bin/env bash
# Searches the history for secrets with gitleaks. An accepted finding stands in .gitleaks.toml, with its reason and the
# day until which it is accepted.
#
# When to run it: before pushing; `task secrets` calls it. `scripts/check-secrets.sh --staged` searches what is about to
# be committed, which is what the hook does.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

today=$(date -u +%F)
while IFS= read -r line; do
  until=$(sed -n 's/.*; until \([0-9-]\{10\}\)"$/\1/p' <<< "$line")
  if [[ -z $until || $until < $today ]]; then
    echo ".gitleaks.toml: over, or without \"; until YYYY-MM-DD\" at the end: $line" >&2
    exit 1
  fi
done < <(grep '^description' .gitleaks.toml)

scripts/tools.sh tools/secrets
gitleaks git --no-banner --no-color --redact --verbose "$@" .
