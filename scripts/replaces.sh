#!/usr/bin/env bash
# Writes the replace lines by which each module reaches its siblings, direct and transitive ones, so that
# `go mod tidy` and `GOWORK=off go build ./...` work in every module by itself.
#
# When to run it: after adding or removing the requirement of a sibling. For a new one:
#   go -C services/x mod edit -require=github.com/cryptoutil/cryptoutil/libs/y@v0.0.0
#   scripts/replaces.sh && (cd services/x && GOWORK=off go mod tidy)
# `scripts/replaces.sh --check` changes nothing and fails where a line is missing, wrong or no longer needed.
set -euo pipefail
. "$(dirname "$0")/env.sh"

# required MODULE: the siblings its go.mod requires.
required() {
  sed -n "/=>/d; s#^\(require\)\{0,1\}[[:space:]]*$module_prefix/\([^ ]*\) v.*#\2#p" "$root/$1/go.mod"
}

# reachable MODULE: its siblings and theirs, sorted, without itself.
reachable() {
  local todo=$1 next seen=" $1 " sibling
  while [ -n "$todo" ]; do
    next=
    for module in $todo; do
      for sibling in $(required "$module"); do
        case "$seen" in
          *" $sibling "*) ;;
          *) seen="$seen$sibling " next="$next $sibling" ;;
        esac
      done
    done
    todo=$next
  done
  tr ' ' '\n' <<< "$seen" | grep -v '^$' | grep -vx -- "$1" | sort || true
}

# lines wanted for MODULE, as "folder => relative path".
wanted() {
  local up sibling
  up=$(printf %s "$1" | sed 's#[^/][^/]*#..#g')
  for sibling in $(reachable "$1"); do
    echo "$sibling => $up/$sibling"
  done
}

# lines its go.mod has.
present() {
  sed -n "s#^\(replace\)\{0,1\}[[:space:]]*$module_prefix/\([^ ]* => [^ ]*\)\$#\2#p" "$root/$1/go.mod" | sort
}

stale=0
for module in $(modules); do
  want=$(wanted "$module")
  have=$(present "$module")
  [ "$want" != "$have" ] || continue
  if [ "${1:-}" = --check ]; then
    stale=1
    echo "$module/go.mod: replace lines are stale (< present, > wanted):"
    diff <(printf '%s\n' "$have") <(printf '%s\n' "$want") | grep '^[<>]' || true
    continue
  fi
  edits=()
  while read -r sibling _ _; do
    [ -z "$sibling" ] || edits+=("-dropreplace=$module_prefix/$sibling")
  done <<< "$have"
  while read -r sibling _ path; do
    [ -z "$sibling" ] || edits+=("-replace=$module_prefix/$sibling=$path")
  done <<< "$want"
  go -C "$root/$module" mod edit "${edits[@]}"
  echo "$module/go.mod: replace lines written"
done
if [ "$stale" -ne 0 ]; then
  echo "run scripts/replaces.sh and commit the result" >&2
  exit 1
fi
