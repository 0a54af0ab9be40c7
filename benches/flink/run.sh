#!/usr/bin/env bash
# Flink SQL in one JVM and rules on the same topics, one partition and one slot or worker each: a filter, a tumbling count told
# when its windows close, and a join of a stream with a table. Prints the processor time of each for a message, and compares
# what both wrote.
#   benches/flink/run.sh [MESSAGES]        wants java 17, javac and mvn
#   BROKER=dev      the embedded broker (default), or kafka: Apache Kafka by docker/local/kafka.sh
#   FORMAT=JSON     or AVRO, of the values in all topics
#   CHECKPOINTS=off for Flink, or their interval, such as '500 ms'; rules commit each 500 ms in any case
#   QUERIES='filter count join', PORT, JARS and MILLSTREAM_BIN may be set
# Neither start nor compilation counts. Both engines work through a topic of MESSAGES/4 and through one of MESSAGES, and what is
# told is the difference by the messages between; Flink does both in one JVM that has worked through the larger one before.
set -euo pipefail
messages=${1:-4000000}
few=$((messages / 4))
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
bin=${MILLSTREAM_BIN:-$root/target/release}
broker=${BROKER:-dev} format=${FORMAT:-JSON} checkpoints=${CHECKPOINTS:-off} queries=${QUERIES:-filter count join}
port=${PORT:-29292}
home=$(mktemp -d)
jars=${JARS:-$root/.stack/jars/flink}
brokers=127.0.0.1:$port
registry=http://127.0.0.1:$((port + 2))
export MILLSTREAM_STACK_HOME=$home/stack KAFKA_PORT=$port KAFKA_HEAP=${KAFKA_HEAP:-512m}
export MILLSTREAM_JARS=${MILLSTREAM_JARS:-$root/.stack/jars}
dev='' rules=''
finish() {
  for process in $rules $dev; do kill -INT "$process" 2>/dev/null || true; done
  [ "$broker" = dev ] || "$root/docker/local/kafka.sh" down >/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$home"
}
trap finish EXIT

ls "$jars"/flink-clients-*.jar >/dev/null 2>&1 || mvn -q -B -f "$here/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:2.10:copy-dependencies -DoutputDirectory="$jars" -DincludeScope=runtime
mkdir -p "$home/classes/META-INF/services"
javac -cp "$jars/*" -d "$home/classes" "$here"/*.java
echo FramedAvro >"$home/classes/META-INF/services/org.apache.flink.table.factories.Factory"
class() { java -Xmx1g -XX:+UseSerialGC -cp "$jars/*:$home/classes" "$@"; }

if [ "$broker" = dev ]; then
  "$bin/dev" up --kafka-port "$port" --registry-port $((port + 2)) --data "$home/dev" >"$home/dev.log" 2>&1 &
else
  "$root/docker/local/kafka.sh" up
  "$bin/dev" registry --brokers "$brokers" --listen "127.0.0.1:$((port + 2))" >"$home/dev.log" 2>&1 &
fi
dev=$!
until (: >"/dev/tcp/127.0.0.1/$((port + 2))") 2>/dev/null; do
  kill -0 $dev 2>/dev/null || { cat "$home/dev.log"; exit 1; }
  sleep 0.1
done

declare -A sql=(
  [filter]="CREATE STREAM @ AS SELECT account, amount, note FROM payments WHERE amount >= 500;"
  [count]="CREATE TABLE @ AS SELECT account, WINDOWSTART AS begun, COUNT(*) AS payments FROM payments WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 0 SECONDS) GROUP BY account EMIT FINAL;"
  [join]="CREATE STREAM @ AS SELECT p.account AS account, p.amount AS amount, a.owner AS owner FROM payments p JOIN accounts a ON p.account = a.account;"
)

ticks() { sed 's/.*) //' "/proc/$rules/stat" | cut -d' ' -f12,13 | tr ' ' '+' | bc; }
# rules_on QUERY NUMBER: works through a topic, and leaves the processor time and the time until the last work in $ours, in ms
rules_on() {
  local query=$1 number=$2 last=0 now still=0 begun busy
  local name="q_${query}_$number WITH (KAFKA_TOPIC='rules_${query}_$number')"
  cat >"$home/rules.sql" <<P
CREATE STREAM payments (account STRING KEY, amount INT, note STRING) WITH (KAFKA_TOPIC='payments_${format}_$number', VALUE_FORMAT='$format');
CREATE TABLE accounts (account STRING PRIMARY KEY, owner STRING) WITH (KAFKA_TOPIC='accounts_$format', VALUE_FORMAT='$format');
${sql[$query]/@/$name}
P
  begun=$(date +%s%3N)
  "$bin/rules" run "$home/rules.sql" --brokers "$brokers" --registry "$registry" --state-dir "$home/state" --workers 1 --http off \
    >"$home/rules.log" 2>&1 &
  rules=$!
  until grep -qE '(is|are) running' "$home/rules.log"; do
    kill -0 $rules 2>/dev/null || { cat "$home/rules.log"; exit 1; }
    sleep 0.05
  done
  busy=$(date +%s%3N)
  while [ $still -lt 30 ]; do
    sleep 0.1
    now=$(ticks)
    if [ $((now - last)) -lt 2 ]; then still=$((still + 1)); else still=0 busy=$(date +%s%3N); fi
    last=$now
  done
  ours="$(($(ticks) * 1000 / $(getconf CLK_TCK))) $((busy - begun))"
  kill -INT $rules
  wait $rules || true
  rules=''
}

flink() { # QUERY: its lines of topic, processor time and time
  class FlinkSql "$brokers" "$1" "$format" "$checkpoints" "payments_${format}_1" "payments_${format}_0" "payments_${format}_1" \
    2>"$home/flink.log" || { cat "$home/flink.log" >&2; exit 1; }
}
by() { echo "scale=${3:-2}; $1/$2" | bc; }

class Load "$brokers" "$registry" "$format" "$few" "$messages" 0
more=$((messages - few))
for query in $queries; do
  lines=$(flink "$query")
  read -r _ few_cpu few_time <<<"$(sed -n 2p <<<"$lines")"
  read -r _ all_cpu all_time <<<"$(sed -n 3p <<<"$lines")"
  theirs=$((all_cpu - few_cpu)) their_time=$((all_time - few_time))
  rules_on "$query" 0
  read -r few_cpu few_time <<<"$ours"
  rules_on "$query" 1
  read -r all_cpu all_time <<<"$ours"
  own=$((all_cpu - few_cpu)) own_time=$((all_time - few_time))
  echo "$query, $format: Flink SQL $(by "$theirs*1000" $more) µs of processor time a message, $(by "$more*1000" $their_time 0) messages/s;" \
    "rules $(by "$own*1000" $more) µs, $(by "$more*1000" $own_time 0) messages/s; $(by $theirs $own 1) times a core's throughput"
  mapfile -t told < <(class Check "$brokers" "$format" "flink_${query}_2" "rules_${query}_1")
  echo "$query: both wrote ${told[0]}"
  [ "${told[0]}" = "${told[1]}" ] || { echo "$query: rules wrote ${told[1]}"; exit 1; }
done
