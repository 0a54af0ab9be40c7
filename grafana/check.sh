#!/usr/bin/env bash
# Runs every expression of every panel and alert against a Prometheus, and says which have no answer.
#   check.sh URL          each expression must be answered, and each panel's must return series
# Where the sink or Kafka Connect does not run, name it in ABSENT (sink, connect): what is about it is passed over then.
set -euo pipefail
cd "$(dirname "$0")"
URL=${1:?the address of a Prometheus is missing, such as http://127.0.0.1:9090}
asked=0 failed=0

ask() { curl -fsS --get "$URL/api/v1/query" --data-urlencode "query=$1"; }
wrong() {
  echo "$1" >&2
  failed=$((failed + 1))
}
absent() { for part in ${ABSENT:-}; do case $part in sink) [[ $1 == *millstream_sink_* ]] && return 0 ;; connect) [[ $1 == *kafka_connect_* ]] && return 0 ;; esac; done; return 1; }

for dashboard in dashboards/*.json; do
  while IFS=$'\t' read -r panel expression; do
    absent "$expression" && continue
    asked=$((asked + 1))
    # A panel's variables stand for all.
    expression=${expression//\$group/.*}
    answer=$(ask "$expression") || { wrong "$dashboard, '$panel': refused: $expression"; continue; }
    [ "$(jq '.data.result | length' <<<"$answer")" -gt 0 ] || wrong "$dashboard, '$panel': no series: $expression"
  done < <(jq -r '.panels[] | .title as $title | .targets // [] | .[] | [$title, .expr] | @tsv' "$dashboard" | sed 's/\\\\/\\/g')
done

while IFS= read -r expression; do
  absent "$expression" && continue
  asked=$((asked + 1))
  ask "$expression" >/dev/null || { wrong "alert refused: $expression"; continue; }
  # In a healthy run an alert has no series, but what it is about has.
  for name in $(grep -oE '\b(millstream|kafka|process)_[a-z_]+|\bup\b' <<<"$expression" | sort -u); do
    [ "$(ask "count($name)" | jq '.data.result | length')" -gt 0 ] || wrong "an alert is about $name, of which there is none: $expression"
  done
done < <(sed -n "s/^ *expr: '\(.*\)'$/\1/p" alerts/millstream.yaml | sed "s/''/'/g")

echo "$asked expressions, $failed without an answer"
[ "$failed" -eq 0 ] && [ "$asked" -gt 0 ]
