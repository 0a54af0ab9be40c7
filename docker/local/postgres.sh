#!/usr/bin/env bash
# PostgreSQL (loopback) from the system's packages, without Docker.
#   postgres.sh up | down | wipe | status | dsn | psql ARGS
# POSTGRES_PORT  its port (5432)
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB  whom and what it is set up with (millstream)
. "$(dirname "$0")/lib.sh"
PORT=${POSTGRES_PORT:-5432}
ROLE=${POSTGRES_USER:-millstream}
DATABASE=${POSTGRES_DB:-millstream}
export PGPASSWORD=${POSTGRES_PASSWORD:-millstream}
DATA=$STACK/data/postgres
DSN=postgres://$ROLE:$PGPASSWORD@127.0.0.1:$PORT/$DATABASE

# The newest server installed; Debian keeps them out of the PATH.
programs() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [ -x "$newest/postgres" ] || newest=$(dirname "$(readlink -f "$(command -v postgres || echo /none)")")
  [ -x "$newest/initdb" ] || fail "PostgreSQL is missing; run docker/local/prepare.sh stack"
  echo "$newest"
}

# The server refuses to run as root.
as_server() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
psql_() { "$BIN/psql" -X -h 127.0.0.1 -p "$PORT" -U "$ROLE" "$@"; }
answers() { psql_ -d postgres -Atc 'select 1'; }

initialise() {
  local secret
  mkdir -p "$DATA"
  chmod 700 "$DATA"
  secret=$(mktemp)
  printf '%s\n' "$PGPASSWORD" >"$secret"
  if [ "$(id -u)" -eq 0 ]; then chown postgres:postgres "$DATA" "$secret"; fi
  (cd / && as_server "$BIN/initdb" -D "$DATA" -U "$ROLE" --pwfile="$secret" -A scram-sha-256 -E UTF8 --locale=C.UTF-8) \
    >>"$STACK/log/postgres.log" 2>&1 || {
    rm -rf "$secret" "$DATA"
    fail "could not set the database up; see $STACK/log/postgres.log (user postgres must be able to enter $STACK)"
  }
  rm -f "$secret"
}

up() {
  one_at_a_time postgres
  if alive postgres; then
    same_port postgres "$PORT" POSTGRES_PORT
  else
    port_free "$PORT" POSTGRES_PORT
    [ -f "$DATA/PG_VERSION" ] || initialise
    local user=()
    [ "$(id -u)" -ne 0 ] || user=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    cd /
    # Its own socket folder would need rights that are not everybody's.
    launch postgres "$PORT" "${user[@]}" "$BIN/postgres" -D "$DATA" -h 127.0.0.1 -p "$PORT" -k '' -c shared_buffers=64MB -c max_connections=60
  fi
  await postgres 60 answers
  [ "$(psql_ -d postgres -Atc "select 1 from pg_database where datname = '$DATABASE'")" = 1 ] || psql_ -d postgres -qc "create database \"$DATABASE\""
  echo "PostgreSQL is up on 127.0.0.1:$PORT"
}

# SIGINT is its fast stop: it does not wait for clients to go.
down() {
  one_at_a_time postgres
  if alive postgres; then kill -INT "$(cut -d' ' -f1 "$STACK/pid/postgres")" 2>/dev/null || true; fi
  for _ in $(seq 50); do alive postgres || break; sleep 0.1; done
  halt postgres
}

wipe() {
  one_at_a_time postgres
  ! alive postgres || fail "PostgreSQL is running; run '$0 down' first"
  rm -rf "$DATA"
}

command=${1:-}
case $command in up | psql) BIN=$(programs) ;; esac
[ $# -eq 0 ] || shift
case $command in
up) up ;;
down) down ;;
wipe) wipe ;;
status) alive postgres && echo "PostgreSQL is up on 127.0.0.1:$(cut -d' ' -f3 "$STACK/pid/postgres")" || { echo "PostgreSQL is down"; exit 1; } ;;
dsn) echo "$DSN" ;;
psql) psql_ -d "$DATABASE" "$@" ;;
*) sed -n '2,5p' "$0"; exit 2 ;;
esac
