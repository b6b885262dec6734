#!/usr/bin/env bash
# Fetches the public test vectors (C2SP/wycheproof, Apache-2.0) the tests read through CRYPTOUTIL_VECTORS.
#
# When to run it: once, where no copy is at hand: `export CRYPTOUTIL_VECTORS=$(scripts/vectors.sh FOLDER)`. It prints
# the folder. The vectors are no part of the repository.
set -euo pipefail
commit=dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166 # 2026-08-18

folder=${1:?usage: scripts/vectors.sh FOLDER}
if [ ! -d "$folder/wycheproof" ]; then
  clone=$(mktemp -d)
  trap 'rm -rf "$clone"' EXIT
  git -C "$clone" init -q
  git -C "$clone" fetch -q --depth 1 https://github.com/C2SP/wycheproof "$commit"
  git -C "$clone" checkout -q FETCH_HEAD
  mkdir -p "$folder"
  mv "$clone/testvectors_v1" "$folder/wycheproof"
  cp "$clone/LICENSE" "$folder/wycheproof/"
fi
(cd "$folder" && pwd)
