#!/usr/bin/env bash
# Apache Kafka (KRaft, one node, loopback) without Docker.
#   kafka.sh fetch | up | down | wipe | status | topics ARGS | configs ARGS | groups ARGS | consumer ARGS | producer ARGS
# KAFKA_PORT  the clients' port (9092); the controller takes the next one
# KAFKA_HEAP  the broker's memory (256m)
# KAFKA_SESSION_MS  how long it may be silent before it is taken for gone (18000); as long is one away that was killed
# KAFKA_METRICS_PORT  where its figures are served for Prometheus (not served)
# KAFKA_SECURE_PORT   a second port for clients, with TLS and SASL (none): SCRAM-SHA-256 and -512, PLAIN, and OAUTHBEARER with
#                     unsigned tokens, for KAFKA_SECURE_USER (shop) with KAFKA_SECURE_PASSWORD (secret). Its authority is
#                     conf/tls/ca.pem of the stack's folder. Who it lets in is settled when the storage is made.
. "$(dirname "$0")/lib.sh"
PORT=${KAFKA_PORT:-9092}
CONTROLLER=$((PORT + 1))
LIBS=$JARS/kafka

METRICS=${KAFKA_METRICS_PORT:-}
SECURE=${KAFKA_SECURE_PORT:-}
SECURE_USER=${KAFKA_SECURE_USER:-shop}
SECURE_PASSWORD=${KAFKA_SECURE_PASSWORD:-secret}
TLS=$STACK/conf/tls

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

# An authority of its own, and the broker's key and certificate by it.
certificates() {
  [ ! -s "$TLS/broker.pem" ] || return 0
  mkdir -p "$TLS"
  (
    umask 077
    cd "$TLS"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=millstream-local-ca -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr
    echo subjectAltName=DNS:localhost,IP:127.0.0.1 >broker.ext
    openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile broker.ext -out broker.crt
    cat broker.key broker.crt ca.pem >broker.pem
  ) 2>>"$STACK/log/kafka.log" || fail "could not make certificates; see $STACK/log/kafka.log"
}

guard() {
  local login=org.apache.kafka.common.security
  cat <<P
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$CONTROLLER,SECURE://127.0.0.1:$SECURE
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT,SECURE://127.0.0.1:$SECURE
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=$TLS/broker.pem
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN,OAUTHBEARER
listener.name.secure.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_$SECURE_USER="$SECURE_PASSWORD";
listener.name.secure.oauthbearer.sasl.jaas.config=$login.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
P
}

# A broker that a loaded machine keeps from telling that it lives is not soon taken for gone, as there is no other. One that was
# killed comes back only once its session has ended, and must not give up before.
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
broker.session.timeout.ms=${KAFKA_SESSION_MS:-18000}
initial.broker.registration.timeout.ms=180000
log.cleaner.dedupe.buffer.size=8388608
P
  if [ -n "$SECURE" ]; then
    certificates
    # A later line counts more.
    (umask 077 && guard >>"$STACK/conf/kafka.properties")
  fi
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
    [ -z "$SECURE" ] || port_free "$SECURE" KAFKA_SECURE_PORT
    configure
    if [ ! -f "$STACK/data/kafka/meta.properties" ]; then
      mkdir -p "$STACK/data/kafka"
      local id
      # An id that begins with '-' would be taken for an option.
      id=$(head -c16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22)
      local users=()
      if [ -n "$SECURE" ]; then
        for mechanism in 256 512; do
          users+=(--add-scram "SCRAM-SHA-$mechanism=[name=$SECURE_USER,password=$SECURE_PASSWORD]")
        done
      fi
      broker_java -Xmx128m kafka.tools.StorageTool format -t "$id" "${users[@]}" -c "$STACK/conf/kafka.properties" >>"$STACK/log/kafka.log" 2>&1 ||
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
*) sed -n '2,10p' "$0"; exit 2 ;;
esac
