#!/usr/bin/env bash
# six.sh: linli as six processes on this machine, without containers.
#
#   deploy/six.sh start [--dev] [--clock DAY] DIR   start all, wait until they answer
#   deploy/six.sh stop DIR                          stop all in order
#   deploy/six.sh status DIR                        what runs, where, and how it is; fails when a part is away
#   deploy/six.sh kill ROLE DIR                     kill -9 one
#   deploy/six.sh restart ROLE DIR                  start one again (stops it first)
#
# DIR holds a folder for each process, with its data, log and pid. What start was
# told, keys and certificates of the environment too, is kept in DIR/six.env for
# the others. Ports: those that linli takes by itself, or with LINLI_PORTS=20000
# twelve in a row from there, so that two shapes can run beside each other. LINLI
# is the command, by default bin/linli. With --dev and no LINLI_MASTER_KEY_FILE all
# parts share DIR/master.key, made at the first start.
set -euo pipefail
umask 077
root=$(cd "$(dirname "$0")/.." && pwd)
roles=(broker registry requests projects evaluation gateway)
# The gateway first: no new calls; the broker last.
stopping=(gateway evaluation projects requests registry broker)
# What of the environment belongs to a shape; the files are kept with whole paths.
files=(LINLI_MASTER_KEY_FILE LINLI_BROKER_KEY_FILE LINLI_TLS_CERT_FILE LINLI_TLS_KEY_FILE LINLI_TLS_CA_FILE LINLI_CERTS LINLI_HTTPS_CERT_FILE LINLI_HTTPS_KEY_FILE LINLI_SMS_KEY_FILE LINLI_OIDC_CLIENT_SECRET_FILE)
others=(LINLI_SMTP LINLI_MAIL_FROM LINLI_SMS LINLI_OIDC_ISSUER LINLI_OIDC_CLIENT_ID LINLI_OIDC_REDIRECTS LINLI_LIMITS LINLI_CALLER_LIMITS LINLI_PROXIES LINLI_AUDIT_DAYS LINLI_SEALING LINLI_REVEALS_PER_HOUR LINLI_BLOBS)

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
    [[ $LINLI_PORTS =~ ^[1-9][0-9]{0,4}$ ]] && ((LINLI_PORTS <= 65524)) ||
      die "LINLI_PORTS=$LINLI_PORTS: the first of twelve ports in a row, 65524 at the most"
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
  dir=$(cd "$1" 2>/dev/null && pwd) || die "there is no folder $1"
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
    registry) args+=(--requests "127.0.0.1:$grpc_requests" --projects "127.0.0.1:$grpc_projects" --evaluation "127.0.0.1:$grpc_evaluation") ;;
    requests | projects | evaluation) args+=(--registry "127.0.0.1:$grpc_registry") ;;
  esac
  [ -z "${dev:-}" ] || args+=(--dev)
  [ -z "${clock:-}" ] || args+=(--clock "$clock")
  setsid "$linli" "${args[@]}" >"$dir/$role/out" 2>>"$dir/$role/log" </dev/null &
  echo $! >"$(pid_file "$role")"
}

# is_up says whether a role's own process runs and has said that it is up: on its
# port another shape may answer.
is_up() { pid_of "$1" >/dev/null && grep -q ' is up, ' "$dir/$1/out" && answers "$1"; }

# await waits until a role answers, and says why it does not.
await() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    ! is_up "$1" || return 0
    pid_of "$1" >/dev/null || [ $tries -lt 5 ] || break
    sleep 0.1
  done
  tail -n 3 "$dir/$1/log" >&2
  echo "six.sh: $1 does not answer; its log is $dir/$1/log" >&2
  return 1
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
  echo "six.sh: $1 ($pid) does not stop" >&2
  return 1
}

end_all() {
  local role all=0
  for role in "${stopping[@]}"; do end "$role" || all=1; done
  return $all
}

# share_key has the parts of a development shape share one master key: a backup
# is of one key. A shape with data has its key already, or is a restored one.
share_key() {
  [ -z "${LINLI_MASTER_KEY_FILE:-}" ] || return 0
  if [ ! -e "$dir/master.key" ]; then
    ! compgen -G "$dir/*/*.db" >/dev/null || return 0
    head -c 32 /dev/urandom | base64 >"$dir/master.key"
  fi
  export LINLI_MASTER_KEY_FILE=$dir/master.key
}

# keep writes down what start was told.
keep() {
  local name
  printf 'LINLI_PORTS=%q\nlinli=%q\ndev=%q\nclock=%q\n' "${LINLI_PORTS:-}" "$linli" "$dev" "$clock"
  for name in "${files[@]}"; do
    [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "$(realpath -ms "${!name}")"
  done
  for name in "${others[@]}"; do
    [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
  done
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
  [ $# -eq 1 ] && [[ $1 != -* ]] || usage
  ports
  linli=${LINLI:-$root/bin/linli}
  [ -x "$linli" ] || die "$linli is not there; make build"
  mkdir -p "$1" 2>/dev/null || die "$1 cannot be made"
  dir=$(cd "$1" && pwd)
  for role in "${roles[@]}"; do
    pid_of "$role" >/dev/null && die "$role runs already; stop $dir first"
  done
  [ -z "$dev" ] || share_key
  keep >"$dir/six.env"
  for role in "${roles[@]}"; do launch "$role"; done
  for role in "${roles[@]}"; do
    # Half a shape is none.
    await "$role" || { end_all || true; exit 1; }
  done
  status
  echo
  echo "open in a browser: http://127.0.0.1:$http_gateway/"
}

# status prints what runs, and fails when something is away.
status() {
  local role pid whole=0
  for role in "${roles[@]}"; do
    if pid=$(pid_of "$role"); then
      printf '%-11s pid %-8s http 127.0.0.1:%-6s %s 127.0.0.1:%-6s %s\n' "$role" "$pid" "$(port_of http "$role")" \
        "$([ "$role" = broker ] && echo nats || echo grpc)" "$(port_of grpc "$role")" \
        "$(answers "$role" && echo ok || echo 'does not answer')"
      answers "$role" || whole=1
    else
      printf '%-11s away\n' "$role"
      whole=1
    fi
  done
  return $whole
}

is_role() { [[ " ${roles[*]} " == *" $1 "* ]] || die "$1 is none of: ${roles[*]}"; }

what=${1:-}
[ $# -ge 2 ] || usage
shift
case $what in
  start) start "$@" ;;
  stop | status)
    [ $# -eq 1 ] || usage
    load "$1"
    if [ "$what" = status ]; then status; else end_all; fi
    ;;
  kill | restart)
    [ $# -eq 2 ] || usage
    is_role "$1"
    load "$2"
    if [ "$what" = kill ]; then
      pid=$(pid_of "$1") || die "$1 does not run"
      kill -KILL "$pid"
      while pid_of "$1" >/dev/null; do sleep 0.02; done
    else
      end "$1"
      launch "$1"
      await "$1" || exit 1
    fi
    ;;
  *) usage ;;
esac
