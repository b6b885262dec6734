#!/usr/bin/env bash
# Writes the replace lines by which each module reaches its siblings, direct and transitive ones, so that
# `go mod tidy` and `GOWORK=off go build ./...` work in every module by itself.
#
# When to run it: after the first import of a sibling, before `go mod tidy`; scripts/tidy.sh does both.
# `scripts/replaces.sh --check` changes nothing and fails where a line is missing, wrong or no longer needed.
set -euo pipefail
. "$(dirname "$0")/env.sh"
all=$(modules)

# siblings MODULE: those its go.mod requires and those its Go files import.
siblings() {
  local path module
  {
    sed -n "/=>/d; s#^\(require\)\{0,1\}[[:space:]]*$module_prefix/\([^ ]*\) v.*#\2#p" "$root/$1/go.mod"
    find "$root/$1" -mindepth 1 -type d -exec test -e '{}/go.mod' \; -prune -o -name '*.go' -exec \
      sed -n "s#^\(import\)\{0,1\}[[:space:]]*[a-z_.]*[[:space:]]*\"$module_prefix/\([^\"]*\)\".*#\2#p" '{}' +
  } | sort -u | while read -r path; do
    # The longest module path that begins it: a module may lie inside another.
    for module in $all; do
      case "$path/" in "$module/"*) echo "${#module} $module" ;; esac
    done | sort -rn | head -1 | cut -d' ' -f2
  done | sort -u
}

# reachable MODULE: its siblings and theirs, sorted, without itself.
reachable() {
  local todo=$1 next seen=" $1 " sibling
  while [ -n "$todo" ]; do
    next=
    for module in $todo; do
      for sibling in $(siblings "$module"); do
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
for module in $all; do
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
