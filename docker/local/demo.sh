#!/usr/bin/env bash
# The main job, once through: stream and rules at work, products from the shop, a search, and its recommendation.
# Wants the settings in its environment and the programs in target/release. Stops the programs at the end; the stack stays.
set -euo pipefail
cd "$(dirname "$0")/../.."
LOG=.stack/log
STATE=.stack/state
mkdir -p "$LOG" "$STATE"
programs=()
stop() { [ ${#programs[@]} -eq 0 ] || { kill "${programs[@]}" 2>/dev/null || true; wait "${programs[@]}" 2>/dev/null || true; }; }
trap stop EXIT

target/release/stream --no-repl --state-dir "$STATE" --http 127.0.0.1:0 >"$LOG/stream.log" 2>&1 &
programs+=($!)
target/release/rules run rules/ --state-dir "$STATE" --http 127.0.0.1:0 >"$LOG/rules.log" 2>&1 &
programs+=($!)
target/release/shop --count 2000 --seed 7
echo "searching for 'Oak desk lamp'"
target/release/client --user demo --once "${1:-Oak desk lamp}" --wait 60
cat <<T

That was the main job. Kafka and the registry are still up; in three terminals you can now run
  target/release/stream            type a part of a name to filter by
  target/release/rules run rules/
  target/release/client            type a product's full name
and stop the stack with 'make down-local'. Logs are in $LOG.
T
