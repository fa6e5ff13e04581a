#!/usr/bin/env bash
# six.sh: linli as six processes on this machine, without containers.
#
#   deploy/six.sh start [--dev] [--clock DAY] DIR   start all, wait until they answer
#   deploy/six.sh stop DIR                          stop all in order
#   deploy/six.sh status DIR                        what runs, where, and how it is
#   deploy/six.sh kill ROLE DIR                     kill -9 one
#   deploy/six.sh restart ROLE DIR                  start one again (stops it first)
#
# DIR holds a folder for each process, with its data, log and pid. What start was
# told is kept in DIR/six.env for the others. Ports: those that linli takes by
# itself, or with LINLI_PORTS=20000 twelve in a row from there, so that two
# shapes can run beside each other. LINLI is the command, by default bin/linli.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
roles=(broker registry requests projects evaluation gateway)

die() {
  echo "six.sh: $*" >&2
  exit 1
}

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# ports sets http_ROLE and grpc_ROLE of every role; the broker's is where it
# listens.
ports() {
  if [ -n "${LINLI_PORTS:-}" ]; then
    local next=$LINLI_PORTS role
    for role in gateway broker registry requests projects evaluation; do
      printf -v "http_$role" %s "$next"
      printf -v "grpc_$role" %s "$((next + 1))"
      next=$((next + 2))
    done
    return
  fi
  http_gateway=8080 grpc_gateway=9090 http_broker=8100 grpc_broker=4222
  http_registry=8101 grpc_registry=9101 http_requests=8102 grpc_requests=9102
  http_projects=8103 grpc_projects=9103 http_evaluation=8104 grpc_evaluation=9104
}

load() {
  [ -f "$dir/six.env" ] || die "$dir holds no six processes; start them first"
  # shellcheck disable=SC1091
  . "$dir/six.env"
  ports
}

port_of() { local name="$1_$2"; echo "${!name}"; }
pid_file() { echo "$dir/$1/pid"; }

# pid_of answers the pid of a role's process, if it runs.
pid_of() {
  local pid
  pid=$(cat "$(pid_file "$1")" 2>/dev/null) || return 1
  [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- "serve $1 " || return 1
  echo "$pid"
}

answers() { curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$(port_of http "$1")/healthz" 2>/dev/null; }

launch() {
  local role=$1 args
  mkdir -p "$dir/$role"
  args=(serve "$role" --data "$dir/$role" --http "127.0.0.1:$(port_of http "$role")" --broker "nats://127.0.0.1:$grpc_broker")
  [ "$role" = broker ] || args+=(--grpc "127.0.0.1:$(port_of grpc "$role")")
  case $role in
    gateway) args+=(--registry "127.0.0.1:$grpc_registry" --requests "127.0.0.1:$grpc_requests"
      --projects "127.0.0.1:$grpc_projects" --evaluation "127.0.0.1:$grpc_evaluation") ;;
    evaluation) args+=(--registry "127.0.0.1:$grpc_registry") ;;
  esac
  [ -z "${dev:-}" ] || args+=(--dev)
  [ -z "${clock:-}" ] || args+=(--clock "$clock")
  setsid "$linli" "${args[@]}" >"$dir/$role/out" 2>>"$dir/$role/log" </dev/null &
  echo $! >"$(pid_file "$role")"
}

# await waits until a role answers, and says why it does not.
await() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    answers "$1" && return
    pid_of "$1" >/dev/null || [ $tries -lt 5 ] || break
    sleep 0.1
  done
  tail -n 3 "$dir/$1/log" >&2
  die "$1 does not answer; its log is $dir/$1/log"
}

# end stops a role's process in order, and waits for it.
end() {
  local pid tries
  pid=$(pid_of "$1") || return 0
  kill -TERM "$pid"
  for ((tries = 0; tries < 150; tries++)); do
    pid_of "$1" >/dev/null || { rm -f "$(pid_file "$1")"; return; }
    sleep 0.1
  done
  die "$1 ($pid) does not stop"
}

start() {
  local dev="" clock="" role
  while [ $# -gt 1 ]; do
    case $1 in
      --dev) dev=1 ;;
      --clock) clock=$2; shift ;;
      *) usage ;;
    esac
    shift
  done
  [ $# -eq 1 ] || usage
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  linli=${LINLI:-$root/bin/linli}
  [ -x "$linli" ] || die "$linli is not there; make build"
  ports
  for role in "${roles[@]}"; do
    pid_of "$role" >/dev/null && die "$role runs already; stop $dir first"
  done
  printf 'LINLI_PORTS=%q\nlinli=%q\ndev=%q\nclock=%q\n' "${LINLI_PORTS:-}" "$linli" "$dev" "$clock" >"$dir/six.env"
  for role in "${roles[@]}"; do launch "$role"; done
  for role in "${roles[@]}"; do await "$role"; done
  status
  echo
  echo "open in a browser: http://127.0.0.1:$http_gateway/"
}

status() {
  local role pid
  for role in "${roles[@]}"; do
    if pid=$(pid_of "$role"); then
      printf '%-11s pid %-8s http 127.0.0.1:%-6s %s 127.0.0.1:%-6s %s\n' "$role" "$pid" "$(port_of http "$role")" \
        "$([ "$role" = broker ] && echo nats || echo grpc)" "$(port_of grpc "$role")" \
        "$(answers "$role" && echo ok || echo 'does not answer')"
    else
      printf '%-11s away\n' "$role"
    fi
  done
}

is_role() { [[ " ${roles[*]} " == *" $1 "* ]] || die "$1 is none of: ${roles[*]}"; }

what=${1:-}
[ $# -ge 2 ] || usage
shift
case $what in
  start) start "$@" ;;
  stop | status)
    dir=$(cd "$1" && pwd)
    load
    if [ "$what" = status ]; then status; else
      # The gateway first: no new calls; the broker last.
      for role in gateway evaluation projects requests registry broker; do end "$role"; done
    fi
    ;;
  kill | restart)
    [ $# -eq 2 ] || usage
    is_role "$1"
    dir=$(cd "$2" && pwd)
    load
    if [ "$what" = kill ]; then
      pid=$(pid_of "$1") || die "$1 does not run"
      kill -KILL "$pid"
      while pid_of "$1" >/dev/null; do sleep 0.02; done
    else
      end "$1"
      launch "$1"
      await "$1"
    fi
    ;;
  *) usage ;;
esac
