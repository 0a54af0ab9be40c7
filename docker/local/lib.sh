# Shared by the scripts beside it; sourced, not run.
#
# MILLSTREAM_STACK_HOME  data, logs and pid files of one stack    (.stack in the repository)
# MILLSTREAM_JARS        jars, shared by all stacks               (.stack/jars in the repository)
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
STACK=${MILLSTREAM_STACK_HOME:-$REPOSITORY/.stack}
JARS=${MILLSTREAM_JARS:-$REPOSITORY/.stack/jars}
JAVA_SMALL=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto)
mkdir -p "$STACK/log" "$STACK/pid" "$STACK/data" "$STACK/conf" "$JARS"

fail() { echo "${0##*/}: $*" >&2; exit 1; }

# fetch_jars PART GOAL [FOLDER]: has Maven do GOAL with FOLDER's pom.xml (that of docker/local/PART), once per content of that
# folder's files, one process at a time
fetch_jars() {
  local part=$1 goal=$2 from=${3:-$HERE/$1} folder=$JARS/$1 mark
  mark=$folder/.fetched-$(find "$from" -type f \( -name pom.xml -o -path '*/src/*' \) -print0 | sort -z | xargs -0 cat | cksum | tr ' ' -)
  (
    flock 9
    [ -e "$mark" ] && exit 0
    command -v mvn >/dev/null || fail "Maven is missing; run docker/local/prepare.sh"
    echo "fetching the jars of $part" >&2
    rm -rf "$folder" && mkdir -p "$folder"
    mvn -q -B -f "$from/pom.xml" -Djars="$folder" "$goal" >&2 || fail "Maven could not resolve $from/pom.xml"
    : >"$mark"
  ) 9>"$JARS/.$part.lock"
}

# metrics_agent PORT WHAT: the Java option that serves WHAT's figures to Prometheus there, or none without a port
metrics_agent() {
  [ -z "$1" ] || echo "-javaagent:$JARS/metrics/jmx_prometheus_javaagent.jar=127.0.0.1:$1:$REPOSITORY/docker/metrics/$2.yml"
}

# started NAME: the time, in clock ticks since boot, at which the process in the pid file was started; empty when it is gone
started() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  set -- $stat
  [ "$1" = Z ] || echo "${20}"
}

# A pid may have been taken by another process since; its start time tells them apart.
alive() {
  local pid start
  [ -s "$STACK/pid/$1" ] || return 1
  read -r pid start _ <"$STACK/pid/$1"
  [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]
}

# launch NAME PORT COMMAND...: in a session of its own, so that Ctrl-C here does not reach it
launch() {
  local name=$1 port=$2
  shift 2
  mkdir -p "$STACK/log" "$STACK/pid"
  setsid "$@" >>"$STACK/log/$name.log" 2>&1 </dev/null 9>&- &
  echo "$! $(started $!) $port" >"$STACK/pid/$name"
}

# await NAME SECONDS COMMAND...: until the command succeeds; tells the end of the log when it does not come to that
await() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! alive "$name" || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$STACK/log/$name.log" >&2
      halt "$name"
      fail "$name did not come up; its log is $STACK/log/$name.log"
    fi
    sleep 0.2
  done
}

halt() {
  local pid
  if alive "$1"; then
    read -r pid _ <"$STACK/pid/$1"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 100); do alive "$1" || break; sleep 0.2; done
    if alive "$1"; then kill -9 "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$STACK/pid/$1"
}

# Asked of the kernel and not by connecting: a connection to a free port of the ephemeral range may end up being to itself.
port_open() { grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null; }
# One that was killed a moment ago may still hold its port: a large one takes a while to be gone.
port_free() { # PORT SETTING
  for _ in $(seq 25); do
    port_open "$1" || return 0
    sleep 0.2
  done
  fail "port $1 is in use; set $2 to another"
}

# same_port NAME PORT VARIABLE: refuses to go on with a server of this stack that was started on another port
same_port() {
  local port
  read -r _ _ port <"$STACK/pid/$1"
  [ "${port:-$2}" = "$2" ] || fail "$1 of this stack already runs, on port $port; stop it first, or set $3=$port or another MILLSTREAM_STACK_HOME"
}

# one_at_a_time NAME: until this script ends, no other goes on with the same server of this stack
one_at_a_time() {
  exec 9>"$STACK/.$1.lock"
  flock 9
}
