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

# standing SERVICE: one word about it (ready, updating, starting, failed), then how many tasks run, and why not all
standing() {
  local service=$1 wanted update begun condition states running complete failure
  IFS='|' read -r wanted update begun condition < <(docker service inspect --format \
    '{{if .Spec.Mode.Replicated}}{{.Spec.Mode.Replicated.Replicas}}{{end}}|{{if .UpdateStatus}}{{.UpdateStatus.State}} {{.UpdateStatus.Message}}|{{json .UpdateStatus.StartedAt}}{{else}}|{{end}}|{{if .Spec.TaskTemplate.RestartPolicy}}{{.Spec.TaskTemplate.RestartPolicy.Condition}}{{end}}' "$service")
  begun=${begun//\"/}
  case $update in
    paused* | rollback_*)
      if [[ ! $begun < $since ]]; then
        echo "failed $update"
        return
      fi
      ;;
  esac
  # newest first within each slot
  states=$(docker service ps --no-trunc --format '{{.DesiredState}}|{{.CurrentState}}|{{.Error}}|{{.Node}}' "$service")
  running=$(grep -c '^Running|Running ' <<<"$states" || true)
  complete=$(grep -c '|Complete ' <<<"$states" || true)
  failure=$(sed -n 's/^[^|]*|\(Failed\|Rejected\|Pending\)[^|]*|\(..*\)|\(.*\)$/\2 \3/p' <<<"$states" | head -n 1)
  wanted=${wanted:-$(grep -c '^Running|' <<<"$states" || true)}
  if [ "$condition" = on-failure ]; then # a job
    if [ "$wanted" = 0 ] || { [ "$complete" -ge 1 ] && [[ $(head -n 1 <<<"$states") == *"|Complete "* ]]; }; then
      echo "ready done"
    else echo "starting ${failure}"; fi
  elif [[ $update == updating* ]]; then
    echo "updating ${running}/${wanted} ${failure}"
  elif [ "$running" = "$wanted" ]; then
    echo "ready ${running}/${wanted}"
  else
    echo "starting ${running}/${wanted} ${failure}"
  fi
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
  local end=$((SECONDS + ${WAIT:-300})) now
  while [ $SECONDS -lt $end ]; do
    now=$(standing "$1")
    case $now in
      ready*) return 0 ;;
      failed*) break ;;
    esac
    sleep 1
  done
  say "$1: $now"
  return 1
}
