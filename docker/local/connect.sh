#!/usr/bin/env bash
# Kafka Connect (one worker, loopback) with Debezium's JDBC sink, without Docker.
#   connect.sh fetch | up | down | status | url
# CONNECT_PORT          its REST interface's port (8083)
# CONNECT_METRICS_PORT  where its figures are served for Prometheus (not served)
# CONNECT_HEAP          its memory (384m)
# KAFKA_PORT, REGISTRY_PORT, POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB  what it works with
. "$(dirname "$0")/lib.sh"
PORT=${CONNECT_PORT:-8083}
METRICS=${CONNECT_METRICS_PORT:-}
KAFKA=${KAFKA_PORT:-9092}
URL=http://127.0.0.1:$PORT

fetch() {
  fetch_jars connect dependency:copy-dependencies
  fetch_jars plugins package "$REPOSITORY/docker/connect"
  [ -z "$METRICS" ] || fetch_jars metrics dependency:copy-dependencies
}

configure() {
  BOOTSTRAP_SERVERS=127.0.0.1:$KAFKA LISTENER=$URL ADVERTISED_HOST=127.0.0.1 PLUGINS=$JARS/plugins/plugins \
    "$REPOSITORY/docker/connect/worker.sh" >"$STACK/conf/connect.properties"
  cat >"$STACK/conf/connect-log.properties" <<P
rootLogger.level=WARN
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
P
}

up() {
  fetch
  one_at_a_time connect
  if alive connect; then
    same_port connect "$PORT" CONNECT_PORT
  else
    port_free "$PORT" CONNECT_PORT
    port_open "$KAFKA" || fail "no Kafka on port $KAFKA to work with; start it with docker/local/kafka.sh up"
    configure
    export POSTGRES_URL=jdbc:postgresql://127.0.0.1:${POSTGRES_PORT:-5432}/${POSTGRES_DB:-millstream}
    export POSTGRES_USER=${POSTGRES_USER:-millstream} POSTGRES_PASSWORD=${POSTGRES_PASSWORD:-millstream}
    export REGISTRY_URL=http://127.0.0.1:${REGISTRY_PORT:-8081}/apis/registry/v2
    launch connect "$PORT" java "${JAVA_SMALL[@]}" $(metrics_agent "$METRICS" connect) -Xms64m -Xmx"${CONNECT_HEAP:-384m}" \
      -Dlog4j2.configurationFile="$STACK/conf/connect-log.properties" -cp "$JARS/connect/*" \
      org.apache.kafka.connect.cli.ConnectDistributed "$STACK/conf/connect.properties"
  fi
  await connect 180 curl -fsS --max-time 5 "$URL/connectors"
  echo "Kafka Connect is up on $URL"
}

down() {
  one_at_a_time connect
  halt connect
}

case ${1:-} in
fetch) fetch ;;
up) up ;;
down) down ;;
status) alive connect && echo "Kafka Connect is up on port $(cut -d' ' -f3 "$STACK/pid/connect")" || { echo "Kafka Connect is down"; exit 1; } ;;
url) echo "$URL" ;;
*) sed -n '2,7p' "$0"; exit 2 ;;
esac
