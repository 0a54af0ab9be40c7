#!/usr/bin/env bash
# A schema registry with Confluent's API (Apicurio, loopback) without Docker. Its schemas are kept in Kafka's journal topic.
#   registry.sh fetch | up | down | status | url
# REGISTRY_PORT  its port (8081)
# REGISTRY_HEAP  its memory (256m)
# KAFKA_PORT     the port of the Kafka that keeps the schemas (9092)
. "$(dirname "$0")/lib.sh"
PORT=${REGISTRY_PORT:-8081}
KAFKA=${KAFKA_PORT:-9092}
URL=http://127.0.0.1:$PORT/apis/ccompat/v7

fetch() { fetch_jars registry dependency:unpack; }

answers() { port_open "$PORT" && curl -fsS --max-time 5 -o /dev/null "$URL/subjects"; }

# A new registry asks of schemas what Confluent's does from the start.
like_confluent() {
  curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/json' -d '{"compatibility":"BACKWARD"}' "$URL/config"
}

up() {
  fetch
  one_at_a_time registry
  if alive registry; then
    same_port registry "$PORT" REGISTRY_PORT
  else
    port_free "$PORT" REGISTRY_PORT
    port_open "$KAFKA" || fail "no Kafka on port $KAFKA to keep the schemas; start it with docker/local/kafka.sh up"
    launch registry "$PORT" java "${JAVA_SMALL[@]}" -Xms64m -Xmx"${REGISTRY_HEAP:-256m}" \
      -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$PORT" -Dquarkus.log.level=WARN \
      -Dquarkus.http.access-log.enabled=false -Dapicurio.logging.audit.enabled=false \
      -Dapicurio.storage.kind=kafkasql -Dapicurio.kafkasql.bootstrap.servers="127.0.0.1:$KAFKA" \
      -jar "$JARS"/registry/*-runner.jar
  fi
  await registry 120 answers
  [ "$(curl -fsS "$URL/subjects")" != '[]' ] || like_confluent
  echo "the schema registry is up on $URL"
}

down() {
  one_at_a_time registry
  halt registry
}

case ${1:-} in
fetch) fetch ;;
up) up ;;
down) down ;;
status) alive registry && echo "the schema registry is up on port $(cut -d' ' -f3 "$STACK/pid/registry")" || { echo "the schema registry is down"; exit 1; } ;;
url) echo "$URL" ;;
*) sed -n '2,6p' "$0"; exit 2 ;;
esac
