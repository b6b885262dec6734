#!/usr/bin/env bash
# The build settings every script, task and pipeline step shares.
#
# When to run it: `scripts/env.sh go test ./libs/crypto/...` runs one command with the settings;
# other scripts source it, and then also have $root and the function `modules`.
#
# One value of each everywhere: another GOFIPS140 or -trimpath rebuilds the whole dependency set.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # read by the scripts that source this file
module_prefix=github.com/cryptoutil/cryptoutil

export CGO_ENABLED=0
export GOFIPS140=certified
case " $(go env GOFLAGS) " in
  *" -buildvcs=false "*) export GOFLAGS="-trimpath -buildvcs=false" ;; # no usable version control here
  *) export GOFLAGS=-trimpath ;;
esac
export PATH="$root/.bin:$PATH"

# modules prints the folder of every module of the workspace; go.work is the only list of them.
modules() {
  (cd "$root" && go work edit -json | sed -n 's#^.*"DiskPath": "\./\(.*\)".*$#\1#p')
}

# programs prints the import path of every program of the workspace.
programs() {
  (cd "$root" && go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' work)
}

# alone MODULE COMMAND... runs a command in a module as if it lived in its own repository.
alone() {
  local module=$1
  shift
  (cd "$root/$module" && GOWORK=off "$@")
}

# copy_tree DIR copies what is committed or would be, so that a check can write without touching the work tree.
copy_tree() {
  (cd "$root" && git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --create --null --files-from - --file -) | tar --extract --directory "$1" --file -
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  cd "$root" || exit 1
  exec "$@"
fi
