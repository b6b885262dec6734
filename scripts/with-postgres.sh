#!/usr/bin/env bash
# Runs one command with a fresh PostgreSQL server for the tests, which is stopped and deleted afterwards.
#
# When to run it: `scripts/with-postgres.sh go test ./libs/database/...` for tests on both engines. Where
# CRYPTOUTIL_TEST_POSTGRES names a server already, that one is used.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$root"

if [ -n "${CRYPTOUTIL_TEST_POSTGRES:-}" ]; then
  exec "$@"
fi
data=$(mktemp -d)
trap 'scripts/postgres-test.sh stop "$data"; rm -rf "$data"' EXIT
chmod 755 "$data" # started by root, the server runs as another user
scripts/postgres-test.sh start "$data" > /dev/null
# shellcheck source=/dev/null
. "$data/env"
"$@"
