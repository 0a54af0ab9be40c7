#!/usr/bin/env bash
# Prometheus (loopback) from the system's packages, without Docker. It asks whom docker/prometheus.yml names, and works out the
# alerts of grafana/alerts.
#   prometheus.sh up | down | wipe | status | url | query EXPRESSION | firing
# PROMETHEUS_PORT  its port (9090)
# PROMETHEUS_SCRAPE_SECONDS  how often it asks (5)
# STREAM_HTTP_PORT, RULES_HTTP_PORT, SINK_HTTP_PORT, KAFKA_METRICS_PORT, CONNECT_METRICS_PORT  where it asks (9101, 9102, 9103,
# 9404, 9405)
. "$(dirname "$0")/lib.sh"
PORT=${PROMETHEUS_PORT:-9090}
URL=http://127.0.0.1:$PORT
DATA=$STACK/data/prometheus

configure() {
  sed -e "s|/etc/prometheus/alerts|$REPOSITORY/grafana/alerts|" -e "s|_interval: 5s|_interval: ${PROMETHEUS_SCRAPE_SECONDS:-5}s|" \
    -e "s|127.0.0.1:9101|127.0.0.1:${STREAM_HTTP_PORT:-9101}|" -e "s|127.0.0.1:9102|127.0.0.1:${RULES_HTTP_PORT:-9102}|" \
    -e "s|127.0.0.1:9103|127.0.0.1:${SINK_HTTP_PORT:-9103}|" -e "s|127.0.0.1:9404|127.0.0.1:${KAFKA_METRICS_PORT:-9404}|" \
    -e "s|127.0.0.1:9405|127.0.0.1:${CONNECT_METRICS_PORT:-9405}|" "$REPOSITORY/docker/prometheus.yml" >"$STACK/conf/prometheus.yml"
  promtool check config "$STACK/conf/prometheus.yml" >"$STACK/log/promtool.log" 2>&1 || {
    cat "$STACK/log/promtool.log" >&2
    fail "the configuration is not valid"
  }
}

up() {
  command -v prometheus >/dev/null || fail "Prometheus is missing; run docker/local/prepare.sh stack"
  one_at_a_time prometheus
  if alive prometheus; then
    same_port prometheus "$PORT" PROMETHEUS_PORT
  else
    port_free "$PORT" PROMETHEUS_PORT
    configure
    launch prometheus "$PORT" prometheus --config.file="$STACK/conf/prometheus.yml" --storage.tsdb.path="$DATA" \
      --storage.tsdb.retention.time=7d --web.listen-address="127.0.0.1:$PORT" --log.level=warn
  fi
  await prometheus 60 curl -fsS --max-time 5 "$URL/-/ready"
  echo "Prometheus is up on $URL"
}

down() {
  one_at_a_time prometheus
  halt prometheus
}

wipe() {
  one_at_a_time prometheus
  ! alive prometheus || fail "Prometheus is running; run '$0 down' first"
  rm -rf "$DATA"
}

case ${1:-} in
up) up ;;
down) down ;;
wipe) wipe ;;
status) alive prometheus && echo "Prometheus is up on port $(cut -d' ' -f3 "$STACK/pid/prometheus")" || { echo "Prometheus is down"; exit 1; } ;;
url) echo "$URL" ;;
query) curl -fsS --get "$URL/api/v1/query" --data-urlencode "query=$2"; echo ;;
firing) curl -fsS "$URL/api/v1/alerts"; echo ;;
*) sed -n '2,9p' "$0"; exit 2 ;;
esac
