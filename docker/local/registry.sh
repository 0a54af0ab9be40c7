#!/usr/bin/env bash
# A schema registry with Confluent's API (Apicurio, loopback) without Docker. Its schemas are kept in Kafka's journal topic.
#   registry.sh fetch | up | down | status | url
# REGISTRY_PORT  its port (8081)
# KAFKA_PORT     the port of the Kafka that keeps the schemas (9092)
. "$(dirname "$0")/lib.sh"
PORT=${REGISTRY_PORT:-8081}
BROKER=127.0.0.1:${KAFKA_PORT:-9092}
URL=http://127.0.0.1:$PORT/apis/ccompat/v7

fetch() { fetch_jars registry dependency:unpack; }

up() {
  fetch
  exec 9>"$STACK/.registry.lock"
  flock 9
  if ! alive registry; then
    port_free "$PORT" REGISTRY_PORT
    launch registry java "${JAVA_SMALL[@]}" -Xms64m -Xmx"${REGISTRY_HEAP:-256m}" \
      -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$PORT" -Dquarkus.log.level=WARN \
      -Dquarkus.http.access-log.enabled=false -Dapicurio.logging.audit.enabled=false \
      -Dapicurio.storage.kind=kafkasql -Dapicurio.kafkasql.bootstrap.servers="$BROKER" \
      -jar "$JARS"/registry/*-runner.jar
  fi
  await registry 120 curl -fsS -o /dev/null "$URL/subjects"
  echo "the schema registry is up on $URL"
}

case ${1:-} in
fetch) fetch ;;
up) up ;;
down) halt registry ;;
status) alive registry && echo "the schema registry is up on $URL" || { echo "the schema registry is down"; exit 1; } ;;
url) echo "$URL" ;;
*) sed -n '2,5p' "$0"; exit 2 ;;
esac
