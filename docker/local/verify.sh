#!/usr/bin/env bash
# Starts Kafka, a registry, Kafka Connect, PostgreSQL and Prometheus from packages, runs shop, stream, client, rules and sink on
# them, breaks things, and prints a table of claims with what came of each. The exit code is 1 if any does not hold.
#   verify.sh [WORD]    of the later claims only those with WORD in their text
# PROGRAMS      where the programs are built (target/release)
# VERIFY_PORTS  the first of sixteen ports to use (28400)
# PRODUCTS, RATE_PRODUCTS  how many products the shop announces (2000), and for the rate of the sink (200000)
. "$(dirname "$0")/lib.sh"
cd "$REPOSITORY"
PROGRAMS=${PROGRAMS:-target/release}
PROGRAMS=$(cd "$PROGRAMS" && pwd)
FIRST=${VERIFY_PORTS:-28400}
PRODUCTS=${PRODUCTS:-2000}
RATE_PRODUCTS=${RATE_PRODUCTS:-200000}
ONLY=${1:-}

# A stack of its own, in a folder that the database's user may enter.
HOME_OF_RUN=$(mktemp -d)
chmod 755 "$HOME_OF_RUN"
export MILLSTREAM_STACK_HOME=$HOME_OF_RUN MILLSTREAM_JARS=$JARS
STACK=$HOME_OF_RUN
LOG=$STACK/log
mkdir -p "$STACK/run" "$LOG" "$STACK/pid" "$STACK/conf" "$STACK/data"
export KAFKA_PORT=$FIRST REGISTRY_PORT=$((FIRST + 2)) CONNECT_PORT=$((FIRST + 3)) POSTGRES_PORT=$((FIRST + 4)) PROMETHEUS_PORT=$((FIRST + 5)) \
  KAFKA_METRICS_PORT=$((FIRST + 6)) CONNECT_METRICS_PORT=$((FIRST + 7)) STREAM_HTTP_PORT=$((FIRST + 8)) RULES_HTTP_PORT=$((FIRST + 9)) \
  SINK_HTTP_PORT=$((FIRST + 10)) POSTGRES_USER=millstream POSTGRES_PASSWORD=millstream POSTGRES_DB=millstream PROMETHEUS_SCRAPE_SECONDS=2
export KAFKA_BROKERS=127.0.0.1:$KAFKA_PORT SCHEMA_REGISTRY_URL=http://127.0.0.1:$REGISTRY_PORT/apis/ccompat/v7 \
  DATABASE_DSN=postgres://millstream:millstream@127.0.0.1:$POSTGRES_PORT/millstream \
  PRODUCT_TOPIC=shop_products PRODUCT_WITH_FULL_IMG_SET_TOPIC=shop_products_full_img_set PRODUCT_FILTERED_TOPIC=analytic_products_filtered \
  PRODUCT_FIND_TOPIC=analytic_products_find RECOMMENDATION_TOPIC=personal_recom XDG_STATE_HOME=$STACK/state \
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$((FIRST + 13))
SPANS=$STACK/spans.jsonl
PROMETHEUS=http://127.0.0.1:$PROMETHEUS_PORT

finish() {
  local name
  for name in gone anew tiny late forsaken-sink forsaken-stream forsaken-rules sink rules stream collector; do halt "$name"; done
  if mountpoint -q "$STACK/tiny"; then umount "$STACK/tiny"; fi
  for name in prometheus connect postgres registry kafka; do docker/local/$name.sh down >/dev/null 2>&1 || true; done
  [ "${failed:-1}" -ne 0 ] && echo "logs are in $LOG" >&2 || rm -rf "$HOME_OF_RUN"
}
trap finish EXIT

names=() results=() seconds=() failed=0
# claim TEXT COMMAND...: what the command says is kept in a log, and shown where it fails
claim() {
  local text=$1 began=$SECONDS said=$LOG/claim-${#names[@]}.log result=holds
  shift
  printf '%s … ' "$text" >&2
  # In the background, where a command that fails ends the claim; in a condition it would not.
  (set -e; "$@") >"$said" 2>&1 &
  wait $! || result=FAILS
  echo "$result" >&2
  [ "$result" = holds ] || { failed=$((failed + 1)); tail -n 15 "$said" | sed 's/^/    /' >&2; }
  names+=("$text") results+=("$result") seconds+=($((SECONDS - began)))
}
# also: claims that WORD may leave out
also() { [[ $1 != *"$ONLY"* ]] || claim "$@"; }

psql() { docker/local/postgres.sh psql -v ON_ERROR_STOP=1 -Atc "$1"; }
get() { curl -fsS --max-time 5 "http://127.0.0.1:$1/$2"; }
# within SECONDS COMMAND...: the command comes to succeed
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "not within the time: $*"; "$@"; return 1; }
    sleep 0.5
  done
}
firing() { curl -fsS "$PROMETHEUS/api/v1/alerts" | jq -e --arg name "$1" '[.data.alerts[] | select(.labels.alertname == $name and .state == "firing")] | length > 0'; }
not_firing() { ! firing "$1"; }
program() { # NAME PORT ARGUMENTS...: in the background, until it is ready
  local name=$1 port=$2
  shift 2
  cd "$STACK/run"
  launch "$name" "$port" "$PROGRAMS/$name" "$@" --http "127.0.0.1:$port"
  await "$name" 60 get "$port" readyz
}
stream() { program stream "$STREAM_HTTP_PORT" --no-repl; }
rules() { program rules "$RULES_HTTP_PORT" run "$REPOSITORY/rules/"; }
sink() { program sink "$SINK_HTTP_PORT" postgres --schema ours; }
shop() { (cd "$STACK/run" && "$PROGRAMS/shop" "$@"); }

topics_twice() {
  "$PROGRAMS/stream" topics create
  local said
  said=$("$PROGRAMS/stream" topics create)
  echo "$said"
  [ "$(grep -c ^verified <<<"$said")" -ge 5 ] && ! grep -q ^created <<<"$said"
}
connectors_twice() {
  docker/connectors/create.sh
  local said
  said=$(docker/connectors/create.sh)
  echo "$said"
  [ "$(grep -c ' runs$' <<<"$said")" -eq 5 ] && ! grep -q ' is new$' <<<"$said"
}
announces() { shop --count "$1" --seed "$2" | tee /dev/stderr | grep -q ', 0 failed'; }
recommends() { (cd "$STACK/run" && "$PROGRAMS/client" --user verify --once 'Oak desk lamp' --wait 60) | tee /dev/stderr | grep -q '"products":\[{'; }
# tables SCHEMA DEAD_LETTERS TEST: rows against topics, by tests/replication
tables() { TABLES=$1 DEAD_LETTERS=$2 cargo test --locked --test replication -- --ignored --exact --test-threads=1 "$3"; }
by_connect() { tables public TOPIC-sink-dead-letters "$1"; }
by_sink() { tables ours sink-TOPIC-dead-letters "$1"; }
same_tables() {
  local table columns
  for table in shop_products analytic_products_filtered shop_products_full_img_set analytic_products_find personal_recom; do
    columns=$(psql "select string_agg(quote_ident(column_name), ', ' order by column_name) from information_schema.columns where table_schema = 'public' and table_name = '$table'")
    [ "$(psql "select string_agg(column_name || ' ' || data_type, ', ' order by column_name) from information_schema.columns where table_schema = 'public' and table_name = '$table'")" = \
      "$(psql "select string_agg(column_name || ' ' || data_type, ', ' order by column_name) from information_schema.columns where table_schema = 'ours' and table_name = '$table'")" ] || { echo "$table has other columns"; return 1; }
    [ "$(psql "select count(*) from ((select $columns from public.$table except select $columns from ours.$table) union all (select $columns from ours.$table except select $columns from public.$table)) as x")" = 0 ] ||
      { echo "$table has other rows"; return 1; }
  done
}
# Many products, in a topic that nobody reads but who is told to.
many() {
  export PRODUCT_TOPIC=many_products
  [ ! -e "$STACK/many" ] || return 0
  "$PROGRAMS/stream" topics create
  shop --count "$RATE_PRODUCTS" --seed 77 --stores 9
  touch "$STACK/many"
}
many_to() { (cd "$STACK/run" && "$PROGRAMS/sink" postgres --topics many_products --schema "$1" --once --http off); }
# The best of three, for other programs are at work beside it, and Kafka is slow until it has warmed up.
sink_rate() {
  many
  # Everybody else has to be through: what is measured is the sink.
  within 300 idle
  sleep 10
  local run
  for run in 1 2 3; do
    psql 'drop schema if exists rate cascade; create schema rate' >/dev/null
    ! takes_20000 || return 0
  done
  return 1
}
takes_20000() {
  local began records took
  began=$(date +%s%N)
  records=$(many_to rate | awk '/records were replicated/ {print $1}')
  took=$((($(date +%s%N) - began) / 1000000))
  echo "$records records in $took ms: $((records * 1000 / took)) a second"
  [ "$records" -ge "$RATE_PRODUCTS" ] && [ $((records * 1000 / took)) -ge 20000 ]
}
# Connect's own figure of its lag is no number while it works on what it has read, so Kafka is asked.
idle() {
  [ "$(curl -fsS --get "$PROMETHEUS/api/v1/query" --data-urlencode 'query=sum(millstream_lag_records) + sum(millstream_sink_lag_records)' | jq -r '.data.result[0].value[1]')" = 0 ] &&
    [ "$(docker/local/kafka.sh groups --describe --all-groups 2>/dev/null | awk '$1 ~ /^connect-/ && $6 ~ /^[0-9]+$/ {lag += $6; seen++} END {print seen ? lag + 0 : "unknown"}')" = 0 ]
}
sink_killed() {
  many
  psql 'create schema if not exists rate; drop schema if exists killed cascade; create schema killed' >/dev/null
  many_to rate
  local run
  for run in 1 2 3 4; do
    (cd "$STACK/run" && exec timeout -s KILL "1.$run" "$PROGRAMS/sink" postgres --topics many_products --schema killed --http off) || true
  done
  many_to killed
  [ "$(psql 'select count(*) from (select id, name, price_amount, images, updated_at from killed.shop_products except select id, name, price_amount, images, updated_at from rate.shop_products) as x')" = 0 ] &&
    [ "$(psql 'select count(*) from killed.shop_products')" = "$(psql 'select count(*) from rate.shop_products')" ]
}
# One trace has a product's way from the shop over the stream and a rule to the rule that tells recommendations.
traced() {
  jq -se 'group_by(.traceId) | map(map(.service + " " + .name)) | any(
    any(. == "shop send shop_products") and any(. == "stream process shop_products") and
    any(. == "rules process analytic_products_filtered") and any(. == "rules process personal_recom_offers"))' "$SPANS"
}
prompt_traced() {
  jq -se 'group_by(.traceId) | map(map(.service + " " + .name)) | any(
    any(. == "client send analytic_products_find") and any(. == "rules process personal_recom_searches"))' "$SPANS"
}
traces() { recommends && announces 200 19 && within 30 traced && within 30 prompt_traced; }
collector() { launch collector "$((FIRST + 13))" docker/local/collector.py "$((FIRST + 13))" "$SPANS" && await collector 30 get "$((FIRST + 13))" ''; }
# In a browser, with pictures of each part on a desk and on a phone, dark and light.
consoles() {
  export CONSOLE_SHOTS=$STACK/shots
  cargo test --locked -p millstream-http-api --test it console
  cargo test --locked -p millstream-cmd-rules --test it page
  ls -l "$CONSOLE_SHOTS"
  [ "$(find "$CONSOLE_SHOTS" -name '*.png' -size +4k | wc -l)" -ge 4 ]
}
# What is asked of the stream's table over HTTP is what the topic has.
tables_over_http() {
  local url=v1/tables/product-stream-table count key
  count=$(get "$STREAM_HTTP_PORT" "$url/count" | jq .count)
  [ "$count" = "$(psql 'select count(*) from ours.shop_products')" ] || [ "$count" -ge "$PRODUCTS" ]
  key=$(get "$STREAM_HTTP_PORT" "$url/entries?limit=1" | jq -r '.entries[0].key')
  get "$STREAM_HTTP_PORT" "$url/entries/$key" | jq -e --arg key "$key" '.value.product.id == $key'
}
transformation() { mvn -q -B -f docker/connect/pom.xml -Ptests -Djars="$STACK/connect-tests" test; }
dashboards() { cargo test --locked --test observability; }
# The schemas of Kubernetes come with the checker; it is fetched where it is not installed.
manifests() {
  local check=kubernetes-validate
  if ! command -v $check >/dev/null; then
    python3 -m venv "$STACK/venv" && "$STACK/venv/bin/pip" install -q kubernetes-validate
    check=$STACK/venv/bin/kubernetes-validate
  fi
  "$check" --strict docker/kubernetes/millstream.yaml
}
five_up() { [ "$(curl -fsS "$PROMETHEUS/api/v1/targets" | jq '[.data.activeTargets[] | select(.health == "up")] | length')" = 5 ]; }
# Whoever listens on one of our ports does so on loopback: 127.0.0.1, also as the kernel writes it for IPv6.
loopback_only() {
  local port hex
  for port in $(seq "$FIRST" $((FIRST + 15))); do
    hex=$(printf %04X "$port")
    if grep -hE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 |
      grep -vE " (0100007F|0000000000000000FFFF00000100007F|00000000000000000000000001000000):$hex "; then return 1; fi
  done
}
# By Docker where it is; and by the library that it reads them with, which also looks at ports, images, health and rights.
compose_files() {
  local one='docker/compose.yaml' more='docker/compose.yaml docker/compose.three-brokers.yaml' check=$STACK/compose
  (cd tests/compose && go build -o "$check" .)
  $check .env.example $one
  $check .env.example $more
  if docker compose version >/dev/null 2>&1; then
    set -f
    docker compose -f ${one// / -f } --env-file .env.example --profile '*' config -q
    docker compose -f ${more// / -f } --env-file .env.example --profile '*' config -q
  fi
}
scraped() { within 30 five_up; }
expressions() {
  # Rates need movement in the minute before.
  shop --count 400 --seed 3 --rate 40 &
  recommends
  wait
  within 30 grafana/check.sh "$PROMETHEUS"
}
silent() {
  curl -fsS "$PROMETHEUS/api/v1/alerts" | jq -c '.data.alerts[] | [.labels.alertname, .state]'
  [ "$(curl -fsS "$PROMETHEUS/api/v1/alerts" | jq '[.data.alerts[] | select(.state == "firing")] | length')" = 0 ]
}
alert_tests() { promtool test rules grafana/alerts/millstream.test.yaml; }
dead_letters_alert() { within 60 firing MillstreamSinkDeadLetters && within 60 firing ConnectDeadLetters && within 60 firing MillstreamDeadLetters; }

database_away() {
  docker/local/postgres.sh down
  announces 50 11
  within 150 firing MillstreamSinkWaiting && within 150 firing ConnectSinkWaiting
  get "$SINK_HTTP_PORT" healthz
  if get "$SINK_HTTP_PORT" readyz; then return 1; fi
  docker/local/postgres.sh up
  within 60 get "$SINK_HTTP_PORT" readyz
  # Nobody restarts a connector: its task waited.
  within 60 not_firing MillstreamSinkWaiting && within 60 not_firing ConnectSinkWaiting && not_firing ConnectTaskFailed
  within 120 same_tables
}
broker_away() {
  docker/local/kafka.sh down
  sleep 5
  get "$STREAM_HTTP_PORT" healthz && get "$SINK_HTTP_PORT" healthz
  docker/local/kafka.sh up
  announces 50 12
  recommends
}
registry_away() {
  docker/local/registry.sh down
  announces 50 13 && return 1
  get "$STREAM_HTTP_PORT" healthz && get "$SINK_HTTP_PORT" healthz
  docker/local/registry.sh up
  announces 50 13
}
# A worker that knows no schemas yet, and whose registry is away, keeps the records; it takes them for no dead letters.
registry_away_from_connect() {
  docker/local/connect.sh down
  announces 60 15
  docker/local/registry.sh down
  docker/local/connect.sh up
  sleep 10
  docker/local/registry.sh up
  within 120 same_tables
}
sentence() { # CODE PATTERN COMMAND...: the command ends with the code, and a sentence that fits
  local code=0 said wanted=$1 pattern=$2
  shift 2
  said=$(cd "$STACK/run" && "$@" 2>&1) || code=$?
  echo "$code: $said"
  [ "$code" = "$wanted" ] && grep -q "$pattern" <<<"$said"
}
wrong_password() { sentence 1 'password authentication failed' env DATABASE_DSN="postgres://millstream:hunter2@127.0.0.1:$POSTGRES_PORT/millstream" "$PROGRAMS/sink" postgres --http off; }
missing_setting() { sentence 2 'DATABASE_DSN is not set' env -u DATABASE_DSN "$PROGRAMS/sink" postgres --http off; }
# Each program in turn: nobody answers at the address that it was given.
each_says() { # PATTERN SETTING=VALUE
  sentence 1 "$1" env "$2" timeout 120 "$PROGRAMS/stream" --no-repl --http off
  sentence 1 "$1" env "$2" timeout 120 "$PROGRAMS/rules" run "$REPOSITORY/rules/personal_recom.sql" --http off
  sentence 1 "$1" env "$2" timeout 120 "$PROGRAMS/shop" --count 1
  sentence 1 "$1" env "$2" timeout 120 "$PROGRAMS/client" --once lamp
}
no_broker() {
  each_says 'could not reach the brokers' KAFKA_BROKERS="127.0.0.1:$((FIRST + 15))"
  sentence 1 'could not reach the brokers' env KAFKA_BROKERS="127.0.0.1:$((FIRST + 15))" timeout 120 "$PROGRAMS/sink" postgres --http off
}
no_registry() { each_says 'the schema registry does not answer' SCHEMA_REGISTRY_URL="http://127.0.0.1:$((FIRST + 15))"; }
# A sink that is started before its database waits for it, and then writes what there is.
late_database() {
  local port=$((FIRST + 14))
  docker/local/postgres.sh down
  cd "$STACK/run"
  launch late "$port" "$PROGRAMS/sink" postgres --topics shop_products --schema late --http "127.0.0.1:$port"
  cd "$REPOSITORY"
  within 30 get "$port" healthz
  within 60 not_ready "$port"
  within 30 waits "$port"
  docker/local/postgres.sh up
  psql 'create schema late'
  within 60 same_count late.shop_products ours.shop_products
  halt late
}
waits() { get "$1" metrics | grep -q '^millstream_sink_waiting{[^}]*} 1$'; }
same_count() { [ "$(psql "select count(*) from $1")" = "$(psql "select count(*) from $2")" ]; }
topic_deleted() {
  local port=$((FIRST + 11)) pid
  psql 'create schema gone' >/dev/null
  docker/local/kafka.sh topics --create --topic gone --partitions 2
  export PRODUCT_TOPIC=gone
  announces 100 31
  cd "$STACK/run"
  launch gone "$port" "$PROGRAMS/sink" postgres --topics gone --schema gone --http "127.0.0.1:$port"
  cd "$REPOSITORY"
  within 60 rows_of gone.shop_products 100
  docker/local/kafka.sh topics --delete --topic gone
  read -r pid _ <"$STACK/pid/gone"
  within 60 unwell "$port" "$pid"
  docker/local/kafka.sh topics --create --topic gone --partitions 2
  announces 10 32
  within 60 test ! -e "/proc/$pid"
  # One that ended before the topic was there again says so when it is started.
  if grep "input 'gone' of group '.*' does not exist any more" "$LOG/gone.log"; then
    launch gone "$port" "$PROGRAMS/sink" postgres --topics gone --schema gone --http "127.0.0.1:$port"
    read -r pid _ <"$STACK/pid/gone"
    within 60 test ! -e "/proc/$pid"
  fi
  grep 'the topic was made anew; empty the table' "$LOG/gone.log"
  rows_of gone.shop_products 100
}
# A stream whose input was deleted under it ends and says so, and reads one that was made anew from its beginning when it is started again.
topic_anew() {
  local port=$((FIRST + 11))
  export STREAM_GROUP=anew PRODUCT_TOPIC=anew PRODUCT_FILTERED_TOPIC=anew_filtered PRODUCT_WITH_FULL_IMG_SET_TOPIC=anew_complete
  "$PROGRAMS/stream" topics create
  cd "$STACK/run"
  launch anew "$port" "$PROGRAMS/stream" --no-repl --http "127.0.0.1:$port"
  within 60 get "$port" readyz
  announces 200 61
  cd "$REPOSITORY"
  psql 'create schema anew'
  within 60 anew_passed 200
  docker/local/kafka.sh topics --delete --topic anew
  within 120 grep "input 'anew' of group 'anew' does not exist any more" "$LOG/anew.log"
  within 30 not_alive anew
  docker/local/kafka.sh topics --create --topic anew --partitions 6
  announces 20 62
  halt anew
  cd "$STACK/run"
  launch anew "$port" "$PROGRAMS/stream" --no-repl --http "127.0.0.1:$port"
  cd "$REPOSITORY"
  within 120 anew_passed 220
  halt anew
}
not_alive() { ! alive "$1"; }
anew_passed() {
  (cd "$STACK/run" && "$PROGRAMS/sink" postgres --topics anew_filtered --schema anew --once --http off) && rows_of anew.analytic_products_filtered "$1"
}
# A state folder of six megabytes fills, is given room, and the topic behind it ends up whole.
disk_full() {
  local port=$((FIRST + 12)) tiny=$STACK/tiny pid
  mkdir -p "$tiny"
  mount -t tmpfs -o size=6m tmpfs "$tiny"
  export STREAM_GROUP=tiny PRODUCT_TOPIC=tiny PRODUCT_FILTERED_TOPIC=tiny_filtered PRODUCT_WITH_FULL_IMG_SET_TOPIC=tiny_complete
  "$PROGRAMS/stream" topics create
  cd "$STACK/run"
  launch tiny "$port" "$PROGRAMS/stream" --no-repl --state-dir "$tiny/state" --http "127.0.0.1:$port"
  announces 20000 41
  read -r pid _ <"$STACK/pid/tiny"
  within 180 test ! -e "/proc/$pid"
  grep 'is the disk full' "$LOG/tiny.log"
  mount -o remount,size=1g "$tiny"
  launch tiny "$port" "$PROGRAMS/stream" --no-repl --state-dir "$tiny/state" --http "127.0.0.1:$port"
  within 120 get "$port" readyz
  cd "$REPOSITORY"
  psql 'create schema tiny'
  within 120 all_passed_on 20000
  halt tiny
  umount "$tiny"
}
all_passed_on() {
  (cd "$STACK/run" && "$PROGRAMS/sink" postgres --topics tiny_filtered --schema tiny --once --http off) && rows_of tiny.analytic_products_filtered "$1"
}
rows_of() { [ "$(psql "select count(*) from $1")" = "$2" ]; }
not_ready() { [ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/readyz")" = 503 ]; }
unwell() { ! test -e "/proc/$2" || not_ready "$1"; } # PORT PID
ends_well() {
  local name pid
  for name in sink rules stream; do
    read -r pid _ <"$STACK/pid/$name"
    kill -INT "$pid"
    within 30 test ! -e "/proc/$pid"
    if grep -i panicked "$LOG/$name.log"; then return 1; fi
  done
}

# Each program in turn is asked to end while nothing answers it, and ends within ten seconds, without a panic.
ends_without_servers() {
  local port=$((FIRST + 11)) name
  many
  export STREAM_GROUP=forsaken PRODUCT_FILTERED_TOPIC=forsaken_filtered PRODUCT_WITH_FULL_IMG_SET_TOPIC=forsaken_complete
  "$PROGRAMS/stream" topics create
  psql 'create schema forsaken' >/dev/null
  cat >"$STACK/forsaken.sql" <<S
CREATE STREAM forsaken (id STRING KEY, kind STRING) WITH (KAFKA_TOPIC='forsaken', VALUE_FORMAT='JSON', PARTITIONS=2);
CREATE TABLE forsaken_counts AS SELECT kind, COUNT(*) AS events FROM forsaken GROUP BY kind EMIT CHANGES;
S
  cd "$STACK/run"
  launch forsaken-sink "$port" "$PROGRAMS/sink" postgres --topics many_products --schema forsaken --http off
  launch forsaken-stream "$port" "$PROGRAMS/stream" --no-repl --state-dir "$STACK/forsaken-1" --http "127.0.0.1:$port"
  launch forsaken-rules "$port" "$PROGRAMS/rules" run "$STACK/forsaken.sql" --state-dir "$STACK/forsaken-2" --http "127.0.0.1:$((port + 1))"
  cd "$REPOSITORY"
  within 60 get "$port" readyz && within 60 get "$((port + 1))" readyz
  within 60 rows_of_any forsaken.shop_products
  docker/local/kafka.sh down
  docker/local/postgres.sh down
  sleep 8
  for name in forsaken-sink forsaken-stream forsaken-rules; do ends_in_time "$name"; done
  docker/local/postgres.sh up
  docker/local/kafka.sh up
  within 120 get "$SINK_HTTP_PORT" readyz
}
ends_in_time() { # NAME
  local pid began=$SECONDS
  read -r pid _ <"$STACK/pid/$1"
  kill -TERM "$pid"
  within 10 test ! -e "/proc/$pid" || return 1
  echo "$1 ended within $((SECONDS - began + 1)) s"
  if grep -i panicked "$LOG/$1.log"; then return 1; fi
}
rows_of_any() { [ "$(psql "select count(*) from $1")" -gt 0 ]; }
shop_and_client_told() {
  local port=$((FIRST + 11)) emits
  shop --count 60 --seed 21 --rate 20 --http "127.0.0.1:$port" &
  emits=$!
  within 20 told_by "$port" millstream_shop_messages_delivered_total
  wait "$emits"
  (cd "$STACK/run" && sleep 8 | "$PROGRAMS/client" --user told --http "127.0.0.1:$port" --wait 1) &
  emits=$!
  within 20 told_by "$port" millstream_client_prompts_total
  wait "$emits"
}
told_by() { get "$1" metrics | grep -q "^$2 [0-9]"; }
# Rules that share a group are told apart, in figures and in the console, and what they keep can be looked through.
rules_told() {
  get "$RULES_HTTP_PORT" metrics | grep '^millstream_rule_rows_out_total{rule="PERSONAL_RECOM"} [1-9]'
  get "$RULES_HTTP_PORT" metrics | grep '^millstream_rule_state{rule="PERSONAL_RECOM",state="running"} 1$'
  get "$RULES_HTTP_PORT" v1/rules | jq -e '.rules | length > 0 and all(.state == "running" and (.plan | contains("read")))'
  local table
  table=$(get "$RULES_HTTP_PORT" v1/tables | jq -r '.tables[].name | select(contains("personal_recom"))')
  get "$RULES_HTTP_PORT" "v1/tables/$table/entries?limit=1000" | jq -e '[.entries[] | select(.label and .value)] | length > 0'
}

claim 'Kafka starts from packages' docker/local/kafka.sh up
claim 'a schema registry starts from packages' docker/local/registry.sh up
claim 'PostgreSQL starts from packages' docker/local/postgres.sh up
claim 'Kafka Connect starts from packages, with Debezium and the Avro converter' docker/local/connect.sh up
claim 'topics are created, and verified the second time' topics_twice
claim 'connectors are created, and the same ones run the second time' connectors_twice
psql 'create schema ours' >/dev/null
claim 'a collector of traces starts' collector
claim 'stream starts and is ready' stream
claim 'rules start and are ready' rules
claim 'the sink starts and is ready' sink
claim 'Prometheus starts from packages' docker/local/prometheus.sh up
claim "the shop announces $PRODUCTS products, and none fails" announces "$PRODUCTS" 7
claim 'a search finds its recommendation' recommends
also 'Prometheus reaches all five' scraped
also 'nothing listens beyond loopback' loopback_only
if command -v go >/dev/null; then also 'the compose files are clean, on loopback, of pinned versions and without rights to spare' compose_files; fi
also 'the manifests fit the published schemas' manifests
also 'a product and a prompt are followed by traces to their recommendation' traces
also "the stream's table is asked over HTTP" tables_over_http
also 'shop and client tell their figures while they run' shop_and_client_told
also 'rules are told one by one, and what they keep' rules_told
if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then also 'the console works in a browser, on a desk and a phone, dark and light' consoles; fi
also "dashboards and alerts fit Grafana's model, and the page of figures" dashboards
also 'the transformation in Kafka Connect does what its tests say' transformation
also 'every expression of every panel and alert is answered' expressions
also 'no alert fires while all is well' silent
also 'every alert fires and stays silent where it should (promtool)' alert_tests
also 'tables by Kafka Connect equal the topics' by_connect tables_are_what_their_topics_say
also 'tables by the sink equal the topics' by_sink tables_are_what_their_topics_say
also 'by Kafka Connect, deletes, updates and newer schemas arrive' by_connect deletes_updates_and_newer_schemas_arrive
also 'by the sink, deletes, updates and newer schemas arrive' by_sink deletes_updates_and_newer_schemas_arrive
also 'by Kafka Connect, what no table holds is set aside' by_connect what_no_table_holds_is_set_aside_and_the_rest_goes_on
also 'by the sink, what no table holds is set aside' by_sink what_no_table_holds_is_set_aside_and_the_rest_goes_on
also 'dead letters raise their alerts' dead_letters_alert
also 'both keep the same tables' within 30 same_tables
also 'a database that goes away is told and waited for' database_away
also 'the tables equal the topics after it' by_sink tables_are_what_their_topics_say
also 'a broker that goes away is waited for' broker_away
also 'a registry that goes away is told' registry_away
also 'Kafka Connect waits for a registry that is away, and sets nothing aside' registry_away_from_connect
also 'the tables equal the topics after both' by_sink tables_are_what_their_topics_say
also 'wrong credentials are a sentence, and exit code 1' wrong_password
also 'a missing setting is a sentence, and exit code 2' missing_setting
also 'brokers that are not there at the start are a sentence' no_broker
also 'a registry that is not there at the start is a sentence' no_registry
also 'a database that is not there at the start is waited for' late_database
also 'a topic that is deleted under the sink is told, and one made anew is not mixed with it' topic_deleted
also 'a topic that is deleted under the stream ends it in a sentence, and one made anew is read from its beginning after a start' topic_anew
if [ "$(id -u)" -eq 0 ]; then also 'a full disk ends the stream in a sentence, and nothing is lost when there is room' disk_full; fi
also "the sink writes at least 20,000 rows a second" sink_rate
also 'a sink that is killed again and again writes each row' sink_killed
also 'the programs end in time while nothing answers them' ends_without_servers
also 'the programs end well' ends_well

echo
for place in "${!names[@]}"; do
  printf '%-6s %5d s  %s\n' "${results[place]}" "${seconds[place]}" "${names[place]}"
done
echo
grep -h 'a second$' "$LOG"/claim-*.log 2>/dev/null || true
echo "$((${#names[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
