#!/usr/bin/env bash
# Installs the system packages that building and running need and that are missing, and says which.
#   prepare.sh build    what the programs need
#   prepare.sh          what the programs, Kafka and the registry need
#   prepare.sh test     also PostgreSQL, for the tests
#   prepare.sh stack    also Prometheus, a compiler for what Kafka Connect runs, and Python for a collector of traces
set -euo pipefail

missing=()
command_or() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
header_or() { echo "#include <$1>" | cc -E - >/dev/null 2>&1 || missing+=("$2"); }
java_17() {
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1) || true
  [ "${version:-0}" -ge 17 ]
}

command_or cc gcc
command_or c++ g++
command_or make make
command_or pkg-config pkg-config
command_or curl curl
header_or openssl/ssl.h libssl-dev
header_or zlib.h zlib1g-dev
if [ "${1:-}" != build ]; then
  command_or flock util-linux
  command_or ps procps
  command_or mvn maven
  java_17 || missing+=(java)
fi

case ${1:-} in
test | stack) ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command_or postgres postgresql ;;
esac
if [ "${1:-}" = stack ]; then
  command_or prometheus prometheus
  command_or promtool prometheus
  command_or jq jq
  command_or javac jdk
  command_or python3 python3
fi

[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "please install these, by whatever names your system has for them: ${missing[*]} (java: 17 or newer)" >&2
  exit 1
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
echo "installing: ${missing[*]}" >&2
"${sudo[@]}" apt-get update -qq
packages=()
for package in "${missing[@]}"; do
  if [ "$package" = java ]; then
    if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then package=openjdk-17-jre-headless; else package=default-jre-headless; fi
  fi
  if [ "$package" = jdk ]; then
    if apt-cache show openjdk-17-jdk-headless >/dev/null 2>&1; then package=openjdk-17-jdk-headless; else package=default-jdk-headless; fi
  fi
  packages+=("$package")
done
# Debian starts a server that it installs; ours are started by ourselves, on ports of ours.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
  "${sudo[@]}" chmod +x $policy
  trap '"${sudo[@]}" rm -f $policy' EXIT
fi
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
