#!/usr/bin/env bash
# Flink SQL and rules on the same topics, one partition and one worker each: a filter, a tumbling count and a join of a
# stream with a table. Prints the processor time of each for a message. Flink's includes its JVM's start and compilation, so
# an empty run's is taken off; what is left shrinks with the number of messages.
#   benches/flink/run.sh [MESSAGES]        wants java, javac and mvn; PORT, JARS and MILLSTREAM_BIN may be set
set -euo pipefail
messages=${1:-2000000}
here=$(cd "$(dirname "$0")" && pwd)
bin=${MILLSTREAM_BIN:-$here/../../target/release}
port=${PORT:-29292}
home=$(mktemp -d)
jars=${JARS:-$here/../../.stack/flink}
brokers=127.0.0.1:$port
dev='' rules=''
finish() {
  for process in $rules $dev; do kill -INT "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$home"
}
trap finish EXIT

ls "$jars"/flink-clients-*.jar >/dev/null 2>&1 || mvn -q -f "$here/pom.xml" \
  org.apache.maven.plugins:maven-dependency-plugin:2.10:copy-dependencies -DoutputDirectory="$jars" -DincludeScope=runtime
javac -cp "$jars/*" -d "$home" "$here/Load.java" "$here/FlinkSql.java"

"$bin/dev" up --kafka-port "$port" --registry-port $((port + 1)) --data "$home/dev" >"$home/dev.log" &
dev=$!
until grep -q 'export KAFKA_BROKERS' "$home/dev.log"; do sleep 0.1; done

declare -A sql=(
  [filter]="CREATE STREAM o WITH (KAFKA_TOPIC='rules_filter') AS SELECT account, amount, note FROM payments WHERE amount >= 500;"
  [count]="CREATE TABLE o WITH (KAFKA_TOPIC='rules_count') AS SELECT account, COUNT(*) AS payments FROM payments WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 0 SECONDS) GROUP BY account EMIT FINAL;"
  [join]="CREATE STREAM o WITH (KAFKA_TOPIC='rules_join') AS SELECT p.account, p.amount, a.owner FROM payments p JOIN accounts a ON p.account = a.account;"
)
sources="CREATE STREAM payments (account STRING KEY, amount INT, note STRING) WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE accounts (account STRING PRIMARY KEY, owner STRING) WITH (KAFKA_TOPIC='accounts', VALUE_FORMAT='JSON', PARTITIONS=1);"

up() { # which query; a name of its own, so that its state is
  mkdir -p "$home/$1"
  echo "$sources ${sql[$1]/ o WITH/ q_$1 WITH}" >"$home/$1/rules.sql"
  "$bin/rules" run "$home/$1/rules.sql" --brokers "$brokers" --registry "http://127.0.0.1:$((port + 1))" \
    --state-dir "$home/$1/state" --workers 1 --http off >"$home/rules.log" 2>&1 &
  rules=$!
  until grep -q 'are running' "$home/rules.log"; do
    kill -0 $rules 2>/dev/null || { cat "$home/rules.log"; exit 1; }
    sleep 0.05
  done
}
ticks() { sed 's/.*) //' "/proc/$rules/stat" | cut -d' ' -f12,13 | tr ' ' '+' | bc; }
quiet() { # until it does next to nothing; prints its processor time in ms
  local last=-100 now still=0
  while [ $still -lt 3 ]; do
    sleep 1
    now=$(ticks)
    if [ $((now - last)) -lt 8 ]; then still=$((still + 1)); else still=0; fi
    last=$now
  done
  echo $((now * 1000 / $(getconf CLK_TCK)))
}
down() { kill -INT $rules; wait $rules || true; rules=''; }
flink() { # which query; prints its processor time in ms
  local spent
  TIMEFORMAT='%3U+%3S'
  spent=$({ time java -Xmx1g -XX:+UseSerialGC -cp "$jars/*:$home" FlinkSql "$brokers" "$1" >/dev/null 2>"$home/flink.log"; } 2>&1) || {
    cat "$home/flink.log"
    exit 1
  }
  echo "($spent)*1000/1" | bc
}

declare -A empty=()
for query in filter count join; do up $query; down; done # the topics are there, and all is idle
for query in filter count join; do empty[$query]=$(flink $query); done
java -cp "$jars/*:$home" Load "$brokers" "$messages"
for query in filter count join; do
  theirs=$(($(flink $query) - ${empty[$query]}))
  up $query
  ours=$(quiet)
  down
  echo "$query: Flink SQL $(echo "scale=2; $theirs*1000/$messages" | bc) µs, rules $(echo "scale=2; $ours*1000/$messages" | bc) µs of processor time a message; $(echo "scale=1; $theirs/$ours" | bc) to 1"
done
