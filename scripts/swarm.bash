# What the scripts about a running stack share. Sourced, not run.
# shellcheck shell=bash

stack=${STACK:-cloudtaskhub}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
stop() {
  say "$*"
  exit 1
}

manager() { # stops unless this machine manages a Swarm
  local state
  state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>/dev/null) ||
    stop "no Docker engine answers; install Docker (https://docs.docker.com/engine/install/) and start it"
  case $state in
    "active true") ;;
    active*) stop "this machine is a worker of its Swarm; run this on a manager" ;;
    *) stop "this machine is in no Swarm; make swarm-init" ;;
  esac
}

members() { # names of the stack's services
  docker service ls --filter "label=com.docker.stack.namespace=$stack" --format '{{.Name}}' | sort
}

# When what is waited for was asked for: a rollback of an earlier time is no failure of it.
since=''
now() { date -u +%Y-%m-%dT%H:%M:%S.%NZ; }

# The release tool, which knows when a service runs: the one that make has built, or that STACKCTL names.
stackctl() {
  local tool=${STACKCTL:-${CARGO_TARGET_DIR:-target}/release/stackctl}
  [ -x "$tool" ] || tool=$(type -P stackctl) ||
    stop "stackctl is missing: cargo build --release --locked -p stackctl, or STACKCTL=where it is"
  STACK=$stack "$tool" "$@"
}

change() { # SERVICE FLAGS...: docker service update, and until Swarm has begun with it
  local service=$1 before i
  shift
  since=$(now)
  before=$(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.StartedAt}}{{end}}' "$service")
  docker service update --quiet --detach "$@" "$service" >/dev/null
  for ((i = 0; i < 50; i++)); do
    [ "$(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.StartedAt}}{{end}}' "$service")" = "$before" ] || return 0
    sleep 0.2
  done
}

settled() { # SERVICE: waits until it is ready, WAIT seconds at most; tells why when it is not
  stackctl wait --service "$1" --since "$since" --stable 1
}
