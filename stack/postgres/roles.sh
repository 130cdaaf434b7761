#!/usr/bin/env bash
# Makes databases, roles and limits of the stack's PostgreSQL what the secrets say. Runs to its end as the job
# `postgres-roles`; running it again changes nothing.
#
#   roles.sh                  each SERVICE_database_url in /run/secrets: its database, its owner, its login
#   roles.sh retire SERVICE   takes the other logins of SERVICE away, after a rotation
#   roles.sh superuser        gives the superuser the password in /run/secrets/new_postgres_password
#
# Per service: database and role SERVICE, the owner of everything in it, which nobody can log in as; and for each version
# of the password a login SERVICE_vN that acts as the owner. So two passwords are good at a time while services change
# from one to the other. The limit of connections is the database's, whichever login they come by.
# A URL of another server is left alone: that database is somebody else's.
set -euo pipefail

host=${DATABASE_HOST:-postgres} connections=${DATABASE_CONNECTIONS:-40} secrets=${SECRETS:-/run/secrets}
services="gateway auth project billing notification analytics"

say() { printf 'postgres-roles: %s\n' "$*" >&2; }
stop() {
  say "$*"
  exit 1
}
[ -r "$secrets/postgres_password" ] || stop "the secret postgres_password is missing; make it with: make secrets"
PGPASSWORD=$(<"$secrets/postgres_password")
export PGPASSWORD PGHOST=$host PGUSER=postgres PGCONNECT_TIMEOUT=5 PGOPTIONS="-c client_min_messages=warning"
# sql DATABASE [psql's arguments]: statements come on stdin, so that no password is in a process's arguments
sql() { psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname "$@"; }

for _ in $(seq 60); do
  if answer=$(psql --no-psqlrc -qAtc 'SELECT 1' --dbname postgres 2>&1); then break; fi
  if [[ $answer == *"password authentication failed"* ]]; then
    stop "the server refuses the password in postgres_password: it is another one than the volume was made with"
  fi
  sleep 1
done
[ "$answer" = 1 ] || stop "$host does not answer: $answer"

# login URL: sets user, password and database from it; false for another server's
login() {
  [[ $1 =~ ^postgres(ql)?://([a-z0-9_]+):([A-Za-z0-9_-]+)@$host(:5432)?/([a-z0-9_]+)$ ]] || return 1
  user=${BASH_REMATCH[2]} password=${BASH_REMATCH[3]} database=${BASH_REMATCH[5]}
}

settle() { # SERVICE: its database, owner, login and limit
  local service=$1
  if ! login "$(<"$secrets/${service}_database_url")"; then
    say "$service has its database elsewhere"
    return
  fi
  [[ $database = "$service" && $user =~ ^${service}_v[0-9]+$ ]] ||
    stop "${service}_database_url must be postgres://${service}_vN:PASSWORD@$host:5432/$service"
  sql postgres --set owner="$service" --set login="$user" <<SQL
\set password '$password'
SELECT format('CREATE ROLE %I NOLOGIN', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'owner', :'owner')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'owner') \gexec
SELECT format('CREATE ROLE %I NOLOGIN', :'login')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \gexec
GRANT :"owner" TO :"login";
ALTER ROLE :"login" SET role = :'owner';
REVOKE ALL ON DATABASE :"owner" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"owner" TO :"owner";
ALTER DATABASE :"owner" CONNECTION LIMIT $connections;
-- Last: a service waits for it, and from then on all it makes has to be the owner's.
ALTER ROLE :"login" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT PASSWORD :'password';
SQL
  say "$service: database $database, login $user, at most $connections connections"
}

retire() { # SERVICE: logins other than the one in the secret
  local service=$1 old
  login "$(<"$secrets/${service}_database_url")" || return 0
  for old in $(sql postgres -At --set owner="$service" --set login="$user" \
    <<<"SELECT rolname FROM pg_roles WHERE rolname ~ ('^' || :'owner' || '_v[0-9]+\$') AND rolname <> :'login'"); do
    sql postgres --set old="$old" <<<"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'old' \g /dev/null
DROP ROLE :\"old\";"
    say "$service: login $old is gone"
  done
}

case ${1:-all} in
  all)
    # Nobody but owners: the roles of one service see nothing of another's database.
    sql postgres <<<"REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC"
    for service in $services; do settle "$service"; done
    ;;
  retire)
    retire "${2:?retire which service?}"
    ;;
  superuser)
    new=$(<"$secrets/new_postgres_password")
    [[ $new =~ ^[A-Za-z0-9_-]+$ ]] || stop "the new password may have letters, digits, _ and - only"
    sql postgres <<<"ALTER ROLE postgres PASSWORD '$new'"
    say "the superuser's password is the new one"
    ;;
  *) stop "unknown command '$1'" ;;
esac
