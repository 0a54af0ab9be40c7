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

# fetch_jars PART GOAL: has Maven resolve docker/local/PART/pom.xml, once per content of that file, one process at a time
fetch_jars() {
  local part=$1 goal=$2 folder=$JARS/$1 mark
  mark=$folder/.fetched-$(cksum <"$HERE/$part/pom.xml" | tr ' ' -)
  (
    flock 9
    [ -e "$mark" ] && exit 0
    command -v mvn >/dev/null || fail "Maven is missing; run docker/local/prepare.sh"
    echo "fetching the jars of $part" >&2
    rm -rf "$folder" && mkdir -p "$folder"
    mvn -q -B -f "$HERE/$part/pom.xml" -Djars="$folder" "$goal" >&2 || fail "Maven could not resolve $part/pom.xml"
    : >"$mark"
  ) 9>"$JARS/.$part.lock"
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
  read -r pid start <"$STACK/pid/$1"
  [ -n "$start" ] && [ "$(started "$pid")" = "$start" ]
}

# launch NAME COMMAND...: in a session of its own, so that Ctrl-C here does not reach it
launch() {
  local name=$1
  shift
  setsid "$@" >>"$STACK/log/$name.log" 2>&1 </dev/null 9>&- &
  echo "$! $(started $!)" >"$STACK/pid/$name"
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

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port_free() { ! port_open "$1" || fail "port $1 is in use; set $2 to another"; }
