#!/usr/bin/env bash
# Checks that commit subjects follow Conventional Commits 1.0.0: "type(scope): what it does". More than 100 characters are
# refused while the message can still be changed, and a warning afterwards.
#
# When to run it: before pushing; it reads the commits the remote's default branch lacks, or the last 50 where there are
# none. `scripts/check-commits.sh FILE` checks one message before it is committed, which is what the hook does.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
form='^(build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)(\([a-z0-9][a-z0-9,/_-]*\))?!?: [^ ].*$'

if [ $# -gt 0 ]; then
  subjects=$(grep -v '^#' "$1" | head -1)
else
  upstream=$(git rev-parse --abbrev-ref --verify -q origin/HEAD || echo origin/main)
  subjects=$(git log --no-merges --format=%s "$upstream..HEAD" 2> /dev/null || true)
  [ -n "$subjects" ] || subjects=$(git log --no-merges --format=%s -50)
fi

bad=$(grep -vE "$form|^(Revert|fixup!|squash!) " <<< "$subjects" || true)
long=$(grep -E '^.{101,}$' <<< "$subjects" || true)
[ -z "$bad" ] || printf 'not "type(scope): subject": %s\n' "$bad"
[ -z "$long" ] || printf 'longer than 100 characters: %s\n' "$long"
if [ -n "$bad" ] || { [ -n "$long" ] && [ $# -gt 0 ]; }; then
  exit 1
fi
echo "$(wc -l <<< "$subjects" | tr -d ' ') commit subjects are in order"
