#!/usr/bin/env bash
# Apache Kafka (KRaft, one node, loopback) without Docker.
#   kafka.sh fetch | up | down | wipe | status | topics ARGS | configs ARGS | groups ARGS | consumer ARGS | producer ARGS
# KAFKA_PORT  the clients' port (9092); the controller takes the next one
# KAFKA_HEAP  the broker's memory (256m)
# KAFKA_METRICS_PORT  where its figures are served for Prometheus (not served)
. "$(dirname "$0")/lib.sh"
PORT=${KAFKA_PORT:-9092}
CONTROLLER=$((PORT + 1))
LIBS=$JARS/kafka

METRICS=${KAFKA_METRICS_PORT:-}

fetch() {
  fetch_jars kafka dependency:copy-dependencies
  [ -z "$METRICS" ] || fetch_jars metrics dependency:copy-dependencies
}

logging() { # FILE LEVEL TARGET
  cat >"$1" <<P
rootLogger.level=$2
rootLogger.appenderRef.c.ref=C
appender.c.type=Console
appender.c.name=C
appender.c.target=$3
appender.c.layout.type=PatternLayout
appender.c.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
P
}

# Nothing goes by age unless a topic says so: the registry's journal does not say, and would lose its schemas after a week.
configure() {
  cat >"$STACK/conf/kafka.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$CONTROLLER
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
controller.listener.names=CONTROLLER
log.dirs=$STACK/data/kafka
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
log.retention.ms=-1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
P
  logging "$STACK/conf/kafka-log.properties" WARN SYSTEM_OUT
}

broker_java() { java "${JAVA_SMALL[@]}" -Dlog4j2.configurationFile="$STACK/conf/kafka-log.properties" -cp "$LIBS/*" "$@"; }

up() {
  fetch
  one_at_a_time kafka
  if alive kafka; then
    same_port kafka "$PORT" KAFKA_PORT
  else
    port_free "$PORT" KAFKA_PORT
    port_free "$CONTROLLER" KAFKA_PORT
    configure
    if [ ! -f "$STACK/data/kafka/meta.properties" ]; then
      mkdir -p "$STACK/data/kafka"
      local id
      # An id that begins with '-' would be taken for an option.
      id=$(head -c16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22)
      broker_java -Xmx128m kafka.tools.StorageTool format -t "$id" -c "$STACK/conf/kafka.properties" >>"$STACK/log/kafka.log" 2>&1 ||
        fail "could not format the storage; see $STACK/log/kafka.log"
    fi
    launch kafka "$PORT" java "${JAVA_SMALL[@]}" $(metrics_agent "$METRICS" kafka) -Xms64m -Xmx"${KAFKA_HEAP:-256m}" \
      -Dlog4j2.configurationFile="$STACK/conf/kafka-log.properties" -cp "$LIBS/*" kafka.Kafka "$STACK/conf/kafka.properties"
  fi
  await kafka 120 port_open "$PORT"
  echo "Kafka is up on 127.0.0.1:$PORT"
}

down() {
  one_at_a_time kafka
  halt kafka
}

wipe() {
  one_at_a_time kafka
  ! alive kafka || fail "Kafka is running; run '$0 down' first"
  rm -rf "$STACK/data/kafka"
}

tool() {
  local class=$1
  shift
  fetch
  logging "$STACK/conf/tool-log.properties" ERROR SYSTEM_ERR
  exec java "${JAVA_SMALL[@]}" -Xmx128m -Dlog4j2.configurationFile="$STACK/conf/tool-log.properties" -cp "$LIBS/*" \
    "$class" --bootstrap-server "127.0.0.1:$PORT" "$@"
}

command=${1:-}
[ $# -eq 0 ] || shift
case $command in
fetch) fetch ;;
up) up ;;
down) down ;;
wipe) wipe ;;
status) alive kafka && echo "Kafka is up on 127.0.0.1:$(cut -d' ' -f3 "$STACK/pid/kafka")" || { echo "Kafka is down"; exit 1; } ;;
topics) tool org.apache.kafka.tools.TopicCommand "$@" ;;
configs) tool kafka.admin.ConfigCommand "$@" ;;
groups) tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@" ;;
consumer) tool org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
producer) tool org.apache.kafka.tools.ConsoleProducer "$@" ;;
*) sed -n '2,7p' "$0"; exit 2 ;;
esac
