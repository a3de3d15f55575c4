#!/bin/bash
# Requests a second by wrk with 64 connections: the first page of ten letters of 1,000 users with 100 letters each, and
# acknowledged creates. Beside it pgbench with the like query and insert, and a bare axum and sqlx server.
#   ENGINES="sqlite postgres" ROUNDS=3 TIME=5 REGISTERED=200
. "$(dirname "$0")/lib.sh"
real_time "$@"
ENGINES=${ENGINES-sqlite postgres} TIME=${TIME:-5} REGISTERED=${REGISTERED:-200}
TOKENS=$BENCH_WORK/tokens
BARE=$BENCH_WORK/bare-target/release/bare

register() {
    local n
    for n in $(seq "$REGISTERED"); do
        [ "$n" = 1 ] || echo next
        printf 'url = "http://127.0.0.1:%s/api/v1/auth/register"\nheader = "Content-Type: application/json"\n' $HTTP_PORT
        printf 'data = "{\\"username\\":\\"bench\\",\\"email\\":\\"bench%s@example.org\\",\\"password\\":\\"password123\\"}"\n' "$n"
    done | curl -s -K - | grep -o '"token":"[^"]*"' | cut -d'"' -f4 >"$TOKENS"
    [ "$(wc -l <"$TOKENS")" = "$REGISTERED" ] || { echo "not all could register"; exit 1; }
    # Those who write are not those who read, or each round would have longer lists than the one before.
    head -n $((REGISTERED / 2)) "$TOKENS" >"$TOKENS-read"
    tail -n $((REGISTERED / 2)) "$TOKENS" >"$TOKENS-write"
}

# wrk_figure NAME ROUND WHO WHAT URL SCRIPT ARGUMENTS…: requests a second; complains of any that failed.
wrk_figure() {
    local name=$1 round=$2 who=$3 what=$4 url=$5 script=$6 out
    shift 6
    out=$(wrk -t1 -c64 -d"${TIME}s" --latency -s "$BENCH/lua/$script" "$url" -- "$@")
    grep -E 'Non-2xx|Socket errors' <<<"$out" || true
    figure "$name" "$round" "$who" "$what-rps" "$(sed -n 's/^Requests.sec: *//p' <<<"$out")"
    figure "$name" "$round" "$who" "$what-p99-ms" "$(awk '$1 == "99%" { v = $2; print v ~ /us$/ ? v / 1000 : v ~ /ms$/ ? v + 0 : v * 1000 }' <<<"$out")"
}

pgbench_figure() {
    figure "$1" "$2" "$3" "$4" "$(pgbench -n -M prepared -f "$BENCH/sql/$5" -c "$6" -j 2 -T "$TIME" | sed -n 's/^tps = \([0-9.]*\).*/\1/p')"
}

raw_letters() {
    local text
    text=$(cat "$BENCH/sql/raw_schema.sql")
    text=${text//@start@/$(micros)}
    text=${text//@step@/1000}
    pg -c 'SET synchronous_commit = off; SET client_min_messages = error' -c "${text//@to@/100000}" \
        -c 'CREATE SEQUENCE raw_inserted START 1000000' -c 'VACUUM ANALYZE' -c CHECKPOINT
}

people() {
    seed "$1" people from=0 to=999
    local file owner='(SELECT id FROM bench_authors WHERE n = g % 1000)'
    for file in letters contents dispatches; do
        seed "$1" $file from=1 to=100000 start=$(($(micros) + 86400000000)) step=1000 owner="$owner"
    done
    query "$1" "$(cat "$BENCH/sql/delivered.sql")"
}

for engine in $ENGINES; do
    NAME=http-$engine
    echo "== HTTP on $engine"
    record "$NAME"
    [ "$engine" = sqlite ] || [ -n "$PG" ] || pg_start
    fresh "$engine"
    server_start
    register
    server_stop
    people "$engine"
    [ "$engine" = sqlite ] || raw_letters
    settle "$engine"
    for round in $(seq "$ROUNDS"); do
        if [ "$engine" = postgres ]; then
            pgbench_figure "$NAME" "$round" pgbench-8 list-rps raw_list.sql 8
            pgbench_figure "$NAME" "$round" pgbench-16 create-rps raw_insert.sql 16
            if [ -x "$BARE" ]; then
                "$BARE" $HTTP_PORT "$PGURL" &
                bare=$!
                sleep 0.5
                wrk_figure "$NAME" "$round" axum+sqlx list "http://127.0.0.1:$HTTP_PORT" list.lua "$TOKENS-read" /letters
                kill $bare
                wait $bare || true
            fi
        fi
        server_start
        for type in INBOX SENT; do
            wrk_figure "$NAME" "$round" "hongyan-$type" list "http://127.0.0.1:$HTTP_PORT" list.lua "$TOKENS-read" "/api/v1/mails?type=$type"
        done
        wrk_figure "$NAME" "$round" "hongyan-all" list "http://127.0.0.1:$HTTP_PORT" list.lua "$TOKENS-read" /api/v1/mails
        wrk_figure "$NAME" "$round" hongyan create "http://127.0.0.1:$HTTP_PORT" create.lua "$TOKENS-write"
        server_stop
    done
    report "$NAME" pgbench-8
done
