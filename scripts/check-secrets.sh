#!/usr/bin/env bash
# Searches the history for secrets with gitleaks. An accepted finding stands in .gitleaks.toml, with its reason.
#
# When to run it: before pushing; `task secrets` calls it. `scripts/check-secrets.sh --staged` searches what is about to
# be committed, which is what the hook does.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

scripts/tools.sh tools/secrets
gitleaks git --no-banner --no-color --redact "$@" .
