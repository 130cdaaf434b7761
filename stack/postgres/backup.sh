#!/usr/bin/env bash
# A copy of the whole server at one moment, as tar on stdout: all six databases together, so that no service knows of what
# another has forgotten. Runs in the server's container: docker exec -i CONTAINER bash -s <stack/postgres/backup.sh
#
# The low-level API for base backups (https://www.postgresql.org/docs/18/continuous-archiving.html, 26.3.4): files are copied
# while the server works, and the log written meanwhile makes them consistent when a server starts from the copy. It is two
# archives, one after the other; read them with tar --ignore-zeros.
set -euo pipefail

PGPASSWORD=$(<"${POSTGRES_PASSWORD_FILE:-/run/secrets/postgres_password}")
export PGPASSWORD PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=postgres
stop() {
  printf 'backup: %s\n' "$*" >&2
  exit 1
}

# One session has to begin and end the backup.
coproc session { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 2>&1; }
answers=${session[0]} asks=${session[1]}
ask() { # SQL: what the session answers, up to a line of our own
  local line
  printf '%s\n\\echo :done:\n' "$1" >&"$asks"
  while IFS= read -r -u "$answers" -t 600 line; do
    [ "$line" != :done: ] || return 0
    printf '%s\n' "$line"
  done
  stop "the session ended: ${line:-no answer}"
}

first=$(ask "SELECT pg_walfile_name(pg_backup_start('cloudtaskhub', fast => true));")
[[ $first =~ ^[0-9A-F]{24}$ ]] || stop "cannot begin: $first"
cd "$PGDATA"
code=0
tar --create --file=- --exclude=./postmaster.pid --exclude=./postmaster.opts --exclude='./pg_wal/*' --exclude='./pg_replslot/*' \
  --exclude='./pg_dynshmem/*' --exclude='./pg_notify/*' --exclude='./pg_serial/*' --exclude='./pg_snapshots/*' \
  --exclude='./pg_stat_tmp/*' --exclude='./pg_subtrans/*' --exclude='pgsql_tmp*' --exclude=pg_internal.init \
  --warning=no-file-changed --warning=no-file-removed . || code=$?
[ "$code" -le 1 ] || stop "tar failed with $code" # 1: a file changed while it was read, which the log mends

kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
ask "SELECT labelfile FROM pg_backup_stop(wait_for_archive => false);" >"$kept/backup_label"
grep -q '^START WAL LOCATION' "$kept/backup_label" || stop "cannot end: $(<"$kept/backup_label")"
[ -e "pg_wal/$first" ] || stop "the log from the beginning of the backup is gone already; raise wal_keep_size"
# From the beginning on; what is written after the end does no harm.
find pg_wal -maxdepth 1 -type f | grep -E '/[0-9A-F]{24}$' | awk -v first="pg_wal/$first" '$0 >= first' >"$kept/files"
tar --create --file=- --warning=no-file-changed --files-from="$kept/files" --directory="$kept" backup_label || [ $? -le 1 ]
