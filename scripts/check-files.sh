#!/usr/bin/env bash
# Checks the form of every file that is committed or would be: UTF-8 without byte order mark, Unix line ends, no
# trailing blanks, a final newline, no conflict markers; Go, SQL, shell and web sources warn from 401 lines and fail
# from 501. Generated files and test data are exempt. Relative links in Markdown must lead somewhere.
#
# When to run it: before every commit; `task check-files` and the pre-commit hook call it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"
export LC_ALL=C # bytes: a file without NUL is text
failed=0
complain() {
  echo "$*"
  failed=1
}

files=$(git ls-files --cached --others --exclude-standard)
while IFS= read -r file; do
  [ -s "$file" ] || continue # deleted or empty
  case "$file" in
    *.gen.go | */testdata/* | go.sum | */go.sum | go.work.sum | LICENSE) continue ;;
  esac
  grep -Iq . "$file" || continue # binary
  iconv -f UTF-8 -t UTF-8 < "$file" > /dev/null 2>&1 || complain "$file: not UTF-8"
  [ "$(head -c 3 "$file" | od -An -tx1 | tr -d ' ')" != efbbbf ] || complain "$file: begins with a byte order mark"
  [ -z "$(tail -c 1 "$file")" ] || complain "$file: no newline at the end"
  if found=$(grep -nE "[[:blank:]]+$|$(printf '\r')" "$file"); then
    complain "$file: blanks or carriage return at the end of line $(head -1 <<< "$found" | cut -d: -f1)"
  fi
  if grep -qE '^(<<<<<<<|>>>>>>>)( |$)' "$file"; then
    complain "$file: conflict marker"
  fi
  case "$file" in
    *.go | *.sql | *.sh | .ci/run | *.js | *.css | *.html)
      lines=$(wc -l < "$file")
      if [ "$lines" -gt 500 ]; then
        complain "$file: $lines lines, at most 500"
      elif [ "$lines" -gt 400 ]; then
        echo "warning: $file: $lines lines, 300 are aimed at"
      fi
      ;;
    *.md)
      # shellcheck disable=SC2016 # the backquotes are Markdown's
      while IFS= read -r target; do
        case "$target" in *:*) continue ;; esac # elsewhere
        [ -e "$(dirname "$file")/$target" ] || complain "$file: dead link $target"
      done < <(sed '/^ *```/,/^ *```/d' "$file" | grep -oE '\]\([^)# ]+' | cut -c3- || true)
      ;;
  esac
done <<< "$files"

[ "$failed" -eq 0 ] && echo "the form of every file is right"
exit "$failed"
