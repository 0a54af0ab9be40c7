#!/usr/bin/env bash
# Registers the sink connectors beside this file, or brings them up to date, restarts tasks that failed, and waits until every
# task runs. What a task died of is told.
#   create.sh [NAME...]   all, or those named, such as shop_products
# CONNECT_URL          Kafka Connect's address (http://127.0.0.1:8083)
# CONNECT_WAIT         how many seconds a connector may take to run (60)
# POSTGRES_SCHEMA      the database's schema that has the tables (public)
# CONNECT_REPLICATION  copies of the dead-letter topics (1)
# PRODUCT_TOPIC, PRODUCT_WITH_FULL_IMG_SET_TOPIC, PRODUCT_FILTERED_TOPIC, PRODUCT_FIND_TOPIC, RECOMMENDATION_TOPIC  the topics,
# where they have other names than the tables
set -euo pipefail
cd "$(dirname "$0")"
URL=${CONNECT_URL:-http://127.0.0.1:${CONNECT_PORT:-8083}}
WAIT=${CONNECT_WAIT:-60}

ask() { curl -sS --max-time 30 -H 'Content-Type: application/json' "$@"; }
fail() { echo "create.sh: $*" >&2; exit 1; }

# A connector's configuration, with the topics' names filled in.
configuration() {
  sed -e "s/@PRODUCT_TOPIC@/${PRODUCT_TOPIC:-shop_products}/g" \
    -e "s/@PRODUCT_WITH_FULL_IMG_SET_TOPIC@/${PRODUCT_WITH_FULL_IMG_SET_TOPIC:-shop_products_full_img_set}/g" \
    -e "s/@PRODUCT_FILTERED_TOPIC@/${PRODUCT_FILTERED_TOPIC:-analytic_products_filtered}/g" \
    -e "s/@PRODUCT_FIND_TOPIC@/${PRODUCT_FIND_TOPIC:-analytic_products_find}/g" \
    -e "s/@RECOMMENDATION_TOPIC@/${RECOMMENDATION_TOPIC:-personal_recom}/g" \
    -e "s/@SCHEMA@/${POSTGRES_SCHEMA:-public}/g" -e "s/@REPLICATION@/${CONNECT_REPLICATION:-1}/g" "$1.json"
}

put() { # NAME
  local answer code
  answer=$(configuration "$1" | ask -w '\n%{http_code}' -X PUT --data @- "$URL/connectors/sink-$1/config")
  code=${answer##*$'\n'}
  case $code in
  200) echo "connector sink-$1 is up to date" ;;
  201) echo "connector sink-$1 is new" ;;
  *) fail "Kafka Connect refused connector sink-$1 ($code): ${answer%$'\n'*}" ;;
  esac
}

# Each state of the connector and of its tasks, a word a line; a connector without tasks does not run yet.
states() { grep -o '"state":"[A-Z_]*"' <<<"$1" | cut -d'"' -f4; }
runs() { grep -q '"tasks":\[{' <<<"$1" && ! states "$1" | grep -qv '^RUNNING$'; }

# The first lines of what a failed task died of, as people read them.
trace() { grep -o '"trace":"[^"]*' <<<"$1" | cut -d'"' -f4- | sed -e 's/\\n.*Caused by:/ <- /g; s/\\n\\tat.*//; s/\\t//g' | cut -c1-600 | sort -u; }

await() { # NAME
  local deadline=$((SECONDS + WAIT)) status=
  while [ "$SECONDS" -lt "$deadline" ]; do
    status=$(ask "$URL/connectors/sink-$1/status" 2>/dev/null || true)
    if runs "$status"; then
      echo "connector sink-$1 runs"
      return
    fi
    sleep 0.5
  done
  case $status in
  *FAILED*) fail "connector sink-$1 failed: $(trace "$status")" ;;
  *) fail "connector sink-$1 does not run after $WAIT s: $status" ;;
  esac
}

ask -f -o /dev/null "$URL/connectors" 2>/dev/null || fail "no Kafka Connect answers at $URL; start it with 'make up' or 'docker/local/connect.sh up'"
names=("$@")
[ $# -gt 0 ] || for file in *.json; do names+=("${file%.json}"); done
for name in "${names[@]}"; do
  [ -f "$name.json" ] || fail "there is no connector $name; there are: $(ls ./*.json | sed 's|./||; s|\.json||' | tr '\n' ' ')"
  put "$name"
done
# Connect may still be giving the work out (409), and then nothing has failed yet.
for name in "${names[@]}"; do ask -o /dev/null -X POST "$URL/connectors/sink-$name/restart?includeTasks=true&onlyFailed=true" || true; done
for name in "${names[@]}"; do await "$name"; done
