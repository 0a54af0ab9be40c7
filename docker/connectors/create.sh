#!/usr/bin/env bash
# Registers the sink connectors beside this file, or brings them up to date, and waits until each task runs.
# CONNECT_URL  Kafka Connect's address (http://127.0.0.1:8083)
set -euo pipefail
cd "$(dirname "$0")"
URL=${CONNECT_URL:-http://127.0.0.1:${CONNECT_PORT:-8083}}

for file in *.json; do
  name=sink-${file%.json}
  curl -fsS -o /dev/null -X PUT -H 'Content-Type: application/json' --data "@$file" "$URL/connectors/$name/config" ||
    { echo "connector $name was refused by $URL; is Kafka Connect up there ('make up')?" >&2; exit 1; }
  for _ in $(seq 60); do
    status=$(curl -fsS "$URL/connectors/$name/status" || true)
    case $status in
    *'"state":"FAILED"'*) echo "connector $name failed: $status" >&2; exit 1 ;;
    *'"tasks":[{'*'"state":"RUNNING"'*) echo "connector $name is running"; continue 2 ;;
    esac
    sleep 1
  done
  echo "connector $name does not run after a minute: $status" >&2
  exit 1
done
