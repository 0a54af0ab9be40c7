#!/usr/bin/env bash
# How fast the sink writes: products from a topic of the embedded broker to a PostgreSQL of its own, exactly once.
# PRODUCTS    how many (500,000)
# SINK_PORTS  the first of three ports to use (28380)
# PROGRAMS    where the programs are built (target/release)
. "$(dirname "$0")/lib.sh"
cd "$REPOSITORY"
PROGRAMS=$(cd "${PROGRAMS:-target/release}" && pwd)
FIRST=${SINK_PORTS:-28380}
HOME_OF_RUN=$(mktemp -d)
chmod 755 "$HOME_OF_RUN"
export MILLSTREAM_STACK_HOME=$HOME_OF_RUN POSTGRES_PORT=$((FIRST + 2)) POSTGRES_USER=millstream POSTGRES_PASSWORD=millstream POSTGRES_DB=millstream
STACK=$HOME_OF_RUN
mkdir -p "$STACK/run" "$STACK/log" "$STACK/pid"
export KAFKA_BROKERS=127.0.0.1:$FIRST SCHEMA_REGISTRY_URL=http://127.0.0.1:$((FIRST + 1)) PRODUCT_TOPIC=shop_products \
  PRODUCT_WITH_FULL_IMG_SET_TOPIC=shop_products_full_img_set PRODUCT_FILTERED_TOPIC=analytic_products_filtered \
  PRODUCT_FIND_TOPIC=analytic_products_find RECOMMENDATION_TOPIC=personal_recom \
  DATABASE_DSN=postgres://millstream:millstream@127.0.0.1:$POSTGRES_PORT/millstream
finish() {
  halt dev
  "$HERE/postgres.sh" down
  rm -rf "$HOME_OF_RUN"
}
trap finish EXIT

docker/local/postgres.sh up >&2
launch dev "$FIRST" "$PROGRAMS/dev" up --kafka-port "$FIRST" --registry-port "$((FIRST + 1))" --data "$STACK/data/dev"
await dev 30 port_open "$((FIRST + 1))"
cd "$STACK/run"
"$PROGRAMS/stream" topics create >&2
"$PROGRAMS/shop" --count "${PRODUCTS:-500000}" --seed 77 --stores 9 >&2
began=$(date +%s%N)
records=$("$PROGRAMS/sink" postgres --topics shop_products --once --http off | awk '/records were replicated/ {print $1}')
took=$((($(date +%s%N) - began) / 1000000))
rows=$("$HERE/postgres.sh" psql -Atc 'select count(*) from shop_products')
echo "$records records to $rows rows in $took ms: $((records * 1000 / took)) a second"
[ "$rows" = "${PRODUCTS:-500000}" ]
