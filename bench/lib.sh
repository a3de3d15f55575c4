# Shared by the scripts: where things are, a PostgreSQL of our own, our server, and the record of figures.
# Everything listens on loopback only and is ended by the process id that it was started with.

set -euo pipefail
BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${BENCH_WORK:?set BENCH_WORK to a folder for installs and databases, some 3 GB}"
HONGYAN=${HONGYAN:-$BENCH/../target/fast/hongyan}
ROUNDS=${ROUNDS:-3}
PGPORT=57432 HTTP_PORT=57003 SMTP_PORT=57025 REDIS_PORT=57379
export PGHOST=127.0.0.1 PGPORT PGUSER=postgres PGDATABASE=bench
PGBIN=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
PGURL=postgres://postgres@127.0.0.1:$PGPORT/bench
export PGURL REDIS_PORT
DATA=$BENCH_WORK/data
LITE=$DATA/hongyan.db
RESULTS=$BENCH_WORK/results
mkdir -p "$RESULTS"

# Server, database and client alike run under SCHED_RR: without it, whatever else the machine does costs 2 to 4 times.
real_time() {
    [ -n "${BENCH_RR:-}" ] || BENCH_RR=1 exec chrt -r 1 "$0" "$@"
}

micros() { date +%s%6N; }

# figure BENCHMARK ROUND WHO WHAT VALUE
figure() {
    printf '%s\t%s\t%s\t%s\n' "$2" "$3" "$4" "$5" >>"$RESULTS/$1.tsv"
    printf '  round %s  %-28s %-22s %s\n' "$2" "$3" "$4" "$5"
}

# Starts a benchmark's record anew.
record() { : >"$RESULTS/$1.tsv"; }

report() { python3 "$BENCH/report.py" "$RESULTS/$1.tsv" "$2"; }

# Whatever still runs when a script ends, by success or failure.
SERVER='' PG=''
cleanup() {
    [ -z "$SERVER" ] || kill -TERM "$SERVER" || true
    [ -z "$PG" ] || pg_stop
}
trap cleanup EXIT

# --- PostgreSQL -----------------------------------------------------------------------------------------------

pg_start() {
    if [ ! -d "$BENCH_WORK/pg" ]; then
        install -d -o postgres "$BENCH_WORK/pg"
        su postgres -c "$PGBIN/initdb -D $BENCH_WORK/pg -A trust -U postgres --no-locale -E UTF8 >/dev/null"
        cat >>"$BENCH_WORK/pg/postgresql.conf" <<-CONF
			port = $PGPORT
			listen_addresses = '127.0.0.1'
			unix_socket_directories = ''
			fsync = on
			synchronous_commit = on
			shared_buffers = 1GB
			max_connections = 200
			max_wal_size = 4GB
			checkpoint_timeout = 15min
			track_commit_timestamp = on
			log_min_messages = fatal
		CONF
    fi
    su postgres -c "$PGBIN/pg_ctl -D $BENCH_WORK/pg -l $BENCH_WORK/pg/log -w start" >/dev/null
    PG=on
    psql -qXd postgres -c 'CREATE DATABASE bench' 2>/dev/null || true
}

pg_stop() {
    su postgres -c "$PGBIN/pg_ctl -D $BENCH_WORK/pg -m fast -w stop" >/dev/null
    PG=
}

pg() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }

# --- our server -----------------------------------------------------------------------------------------------

# engine ENGINE: the settings of a server on it.
engine() {
    export HONGYAN_DATA_DIR=$DATA HONGYAN_SERVER__LISTEN=127.0.0.1:$HTTP_PORT HONGYAN_LIMITS__ENABLED=false
    export HONGYAN_LOG__LEVEL=${HONGYAN_LOG__LEVEL:-error}
    if [ "$1" = postgres ]; then export HONGYAN_DATABASE__URL=$PGURL; else unset HONGYAN_DATABASE__URL; fi
}

# An empty, migrated database on ENGINE.
fresh() {
    engine "$1"
    rm -rf "$DATA"
    mkdir -p "$DATA"
    if [ "$1" = postgres ]; then
        pg -d postgres -c 'DROP DATABASE IF EXISTS bench WITH (FORCE)' -c 'CREATE DATABASE bench'
    fi
    "$HONGYAN" migrate >/dev/null
}

# query ENGINE SQL: the answer's columns separated by a bar.
query() {
    if [ "$1" = postgres ]; then pg -c "$2"; else sqlite3 -cmd '.timeout 5000' "$LITE" <<<"$2"; fi
}

# seed ENGINE FILE NAME=VALUE…: one SQL text for both engines, in which `@name@` stands for the value.
seed() {
    local engine=$1 text pair
    text=$(cat "$BENCH/sql/$2.sql")
    shift 2
    local id owner numbers body
    if [ "$engine" = postgres ]; then
        id="lpad(CAST(g AS TEXT), 26, '0')" owner="'user_' || lpad(CAST((g * 7919) % 10000 AS TEXT), 26, '0')"
        numbers='generate_series(CAST(@from@ AS BIGINT), @to@) AS numbers(g)' body="repeat(md5(CAST(g AS TEXT)), 31)"
    else
        id="printf('%026d', g)" owner="'user_' || printf('%026d', (g * 7919) % 10000)"
        numbers='(SELECT value AS g FROM generate_series(@from@, @to@)) AS numbers'
        body="replace(printf('%031d', 0), '0', hex(randomblob(16)))"
    fi
    for pair in "$@" id="$id" owner="$owner" numbers="$numbers" text="$body" "$@" \
        type=SELF email=NULL channel=inbox destination=; do
        text=${text//@${pair%%=*}@/${pair#*=}}
    done
    if [ "$engine" = postgres ]; then
        pg -c 'SET synchronous_commit = off' -c "$text"
    else
        sqlite3 "$LITE" "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; BEGIN; $text COMMIT;" >/dev/null
    fi
}

# After seeding: statistics, and nothing left to write.
settle() {
    if [ "$1" = postgres ]; then
        pg -c 'VACUUM ANALYZE' -c CHECKPOINT
    else
        sqlite3 "$LITE" 'PRAGMA wal_checkpoint(TRUNCATE);' >/dev/null
    fi
    sync -f "$BENCH_WORK"
}

# letters ENGINE FROM TO START STEP: scheduled letters to their authors, with texts and dispatches.
letters() {
    local file
    for file in letters contents dispatches; do seed "$1" $file from="$2" to="$3" start="$4" step="$5"; done
}

server_start() {
    local began
    began=$(micros)
    "$HONGYAN" serve >"$BENCH_WORK/server.log" 2>&1 &
    SERVER=$!
    until curl -fs -o /dev/null "http://127.0.0.1:$HTTP_PORT/health/ready"; do
        kill -0 $SERVER || { cat "$BENCH_WORK/server.log"; exit 1; }
        sleep 0.005
    done
    READY_MS=$((($(micros) - began) / 1000))
}

server_stop() {
    kill -TERM "$SERVER"
    wait "$SERVER" || { cat "$BENCH_WORK/server.log"; exit 1; }
    SERVER=
}

# wait_for ENGINE SECONDS SQL: until the query answers 1 (or t).
wait_for() {
    local end=$((SECONDS + $2))
    until [[ $(query "$1" "$3") =~ ^(1|t)$ ]]; do
        [ $SECONDS -lt $end ] || { echo "  not finished after $2 s: $3"; return 0; }
        sleep 0.3
    done
}
