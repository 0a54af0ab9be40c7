#!/usr/bin/env bash
# Throughput, CPU and memory on a real Kafka: the Avro and JSON filter, and the group table, at MESSAGES messages (1,000,000).
# Ours alone also tells latency at RATE messages a second (2000), with a commit each COMMIT_MS where that is set.
# Where PEERS names a folder with other frameworks' contestants and a driver, all are measured in one run; otherwise ours alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
MESSAGES=${MESSAGES:-1000000}
REPEATS=${REPEATS:-1}
cargo build --release --locked --example peer_contestant
# Another program that plays the same may be measured in its place.
CONTESTANT=${CONTESTANT:-$PWD/target/release/examples/peer_contestant}

if [ -n "${PEERS:-}" ] && [ -f "$PEERS/driver/bench.py" ]; then
  # What the peers build lands in a copy of theirs.
  WORK=$PWD/target/peers
  mkdir -p "$WORK"
  cp -R "$PEERS/." "$WORK/"
  chmod -R u+w "$WORK"
  make -C "$WORK" build broker
  trap 'make -C "$WORK" stop' EXIT
  {
    cat "$WORK/driver/contestants.toml"
    printf '\n[millstream]\ncommand = ["%s"]\nplays = ["filter-json", "filter-avro", "table", "table-eos", "join", "window", "recovery", "latency"]\n' "$CONTESTANT"
  } >"$WORK/with-millstream.toml"
  "$WORK/.venv/bin/python" "$WORK/driver/bench.py" --config "$WORK/with-millstream.toml" --messages "$MESSAGES" --repeats "$REPEATS" \
    --contestants raw,goka,kstreams,millstream --workloads "${WORKLOADS:-filter-json,filter-avro,table}"
  exit
fi

export MILLSTREAM_STACK_HOME=$PWD/target/bench-stack KAFKA_PORT=${KAFKA_PORT:-29392} KAFKA_HEAP=${KAFKA_HEAP:-1g}
docker/local/kafka.sh up
trap 'docker/local/kafka.sh down; rm -rf "$MILLSTREAM_STACK_HOME"' EXIT
CONTESTANT=$CONTESTANT BROKERS=127.0.0.1:$KAFKA_PORT MESSAGES=$MESSAGES cargo bench --locked --bench platform
