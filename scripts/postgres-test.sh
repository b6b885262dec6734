#!/usr/bin/env bash
# Runs a throwaway PostgreSQL for tests.
#
#   scripts/postgres-test.sh start DIR     creates a cluster in DIR, starts it, prints the environment for tests
#   . DIR/env                              the same environment again
#   scripts/postgres-test.sh stop DIR      stops it and deletes what start has put into DIR
#
# The cluster listens on a free port of 127.0.0.1, takes SCRAM-SHA-256 only and does not care to survive a crash: its files are in memory where
# there is room, with a link in DIR. Started by root it runs as the user postgres, which must be able to reach DIR. Where PostgreSQL is missing,
# root gets it from apt.
set -euo pipefail

fail() {
  printf 'postgres-test: %s\n' "$*" >&2
  exit 1
}

# as_owner runs a command as the user that owns the cluster: PostgreSQL refuses root.
as_owner() {
  if [ "$(id -u)" -eq 0 ]; then
    local quoted
    quoted=$(printf '%q ' "$@")
    su postgres -s /bin/bash -c "cd / && $quoted"
  else
    "$@"
  fi
}

# find_bin prints the folder of the newest server programs.
find_bin() {
  local candidate newest=
  for candidate in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
    if [ -x "$candidate/initdb" ]; then newest=$candidate; fi
  done
  if [ -z "$newest" ] && command -v initdb >/dev/null; then
    newest=$(dirname "$(command -v initdb)")
  fi
  [ -n "$newest" ] && printf '%s\n' "$newest"
}

install_server() {
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "PostgreSQL is not installed: install the package postgresql"
  fi
  {
    apt-get update -q
    # Without this Debian would start a cluster of its own.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
      printf 'create_main_cluster = false\n' >/etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
  } >&2
}

random_hex() {
  od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# place makes the folder of the cluster. Tests create a database each, 7 MB in 300 files: in memory that takes a third of the processor time.
place() {
  local dir=$1 free memory
  free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1) || free=0
  if [ "${free:-0}" -gt $((4 << 20)) ] && memory=$(mktemp -d /dev/shm/postgres-test.XXXXXXXX); then
    ln -s "$memory" "$dir/cluster"
  else
    mkdir -p "$dir/cluster"
  fi
  chmod 700 "$dir/cluster/."
}

# settings are those of a server that nothing is asked of but speed: nothing is kept for a crash, a standby or a later query.
settings() {
  printf ' -c %s' listen_addresses=127.0.0.1 unix_socket_directories= max_connections=300 shared_buffers=64MB jit=off autovacuum=off \
    fsync=off synchronous_commit=off full_page_writes=off wal_level=minimal max_wal_senders=0 max_wal_size=512MB
}

# abandon removes a half-made cluster when start fails.
abandon() {
  local status=$?
  [ "$status" -eq 0 ] || stop "$unfinished"
}

start() {
  local dir=$1 bin port attempt started=
  mkdir -p "$dir"
  dir=$(cd "$dir" && pwd -P)
  case $dir in *\'*) fail "the folder's name must not hold a quote: $dir" ;; esac
  if [ -e "$dir/cluster" ] || [ -L "$dir/cluster" ]; then
    fail "$dir holds a cluster already: stop it first"
  fi
  unfinished=$dir
  trap abandon EXIT
  bin=$(find_bin) || { install_server && bin=$(find_bin); } || fail "no PostgreSQL server found"

  (umask 077 && random_hex 24 >"$dir/password")
  place "$dir"
  # The owner of the cluster reads the password from its own copy while the cluster is made.
  cp "$dir/password" "$dir/cluster.password"
  chmod 600 "$dir/cluster.password"
  if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$dir/cluster/." "$dir/cluster.password"
    as_owner test -w "$dir/cluster" || fail "user postgres cannot reach $dir: take a folder below /tmp, or open its parents (chmod o+x)"
  fi
  as_owner "$bin/initdb" --pgdata="$dir/cluster" --username=cryptoutil --pwfile="$dir/cluster.password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync >"$dir/log" 2>&1 ||
    { cat "$dir/log" >&2 && fail "initdb failed"; }
  rm -f "$dir/cluster.password"

  # Nobody can reserve a port for another process, so try some until the server could bind one.
  for attempt in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 40000))
    if as_owner "$bin/pg_ctl" start --silent --wait --timeout=60 --pgdata="$dir/cluster" --log="$dir/cluster/server.log" \
      --options="-p $port$(settings)" \
      >>"$dir/log" 2>&1; then
      started=yes
      break
    fi
    printf 'postgres-test: attempt %d on port %d failed\n' "$attempt" "$port" >&2
  done
  [ -n "$started" ] || { cat "$dir/cluster/server.log" "$dir/log" >&2 && fail "the server does not start"; }

  {
    printf "export CRYPTOUTIL_TEST_POSTGRES='postgres://cryptoutil@127.0.0.1:%s/postgres?sslmode=disable'\n" "$port"
    printf "export CRYPTOUTIL_TEST_POSTGRES_PASSWORD_FILE='%s/password'\n" "$dir"
  } >"$dir/env"
  cat "$dir/env"
}

stop() {
  local dir=$1 bin
  [ -d "$dir" ] || return 0
  dir=$(cd "$dir" && pwd -P)
  if [ -f "$dir/cluster/postmaster.pid" ]; then
    bin=$(find_bin) || fail "no PostgreSQL server found"
    as_owner "$bin/pg_ctl" stop --silent --wait --mode=immediate --pgdata="$dir/cluster" >/dev/null
  fi
  if [ -L "$dir/cluster" ]; then rm -rf "$(readlink "$dir/cluster")"; fi
  rm -rf "$dir/cluster" "$dir/cluster.password" "$dir/password" "$dir/env" "$dir/log"
  rmdir "$dir" 2>/dev/null || true
}

[ $# -eq 2 ] || fail "usage: postgres-test.sh start|stop DIR"
case $1 in
  start) start "$2" ;;
  stop) stop "$2" ;;
  *) fail "usage: postgres-test.sh start|stop DIR" ;;
esac
