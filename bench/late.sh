#!/bin/bash
# How late letters are delivered when RATE are due a second for SPAN seconds, by the database alone: delivered_at minus
# send_time, and on PostgreSQL the moment of the commit minus send_time. SLEEPING more letters wait for years beside them.
#   ENGINES="postgres sqlite" ROUNDS=2 RATE=1000 SPAN=15 SLEEPING="0 1000000" PEERS="default bullmq"
. "$(dirname "$0")/lib.sh"
real_time "$@"
RATE=${RATE:-1000} SPAN=${SPAN:-15} SLEEPING=${SLEEPING:-0} ENGINES=${ENGINES-postgres sqlite}
PEERS=${PEERS-default bullmq} LEAD=${LEAD:-6} ROUNDS=${ROUNDS:-2}
COUNT=$((RATE * SPAN)) STEP=$((1000000 / RATE))

# lateness NAME ROUND WHO SQL: of a list of microseconds that the SQL selects as `late`.
lateness_postgres() {
    local p50 p99 max min
    IFS='|' read -r p50 p99 max min < <(pg -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY late) / 1000)::numeric, 1),
        round((percentile_cont(0.99) WITHIN GROUP (ORDER BY late) / 1000)::numeric, 1), round(max(late) / 1000.0, 1),
        round(min(late) / 1000.0, 2) FROM ($4) AS all_of_them")
    figure "$1" "$2" "$3" p50-ms "$p50"
    figure "$1" "$2" "$3" p99-ms "$p99"
    figure "$1" "$2" "$3" max-ms "$max"
    figure "$1" "$2" "$3" min-ms "$min"
}

lateness_sqlite() {
    local what at
    for what in p50:50 p99:99; do
        at=$((COUNT * ${what#*:} / 100))
        figure "$1" "$2" "$3" "${what%:*}-ms" "$(query sqlite "SELECT round(late / 1000.0, 1) FROM ($4) ORDER BY late LIMIT 1 OFFSET $at")"
    done
    figure "$1" "$2" "$3" max-ms "$(query sqlite "SELECT round(max(late) / 1000.0, 1) FROM ($4)")"
    figure "$1" "$2" "$3" min-ms "$(query sqlite "SELECT round(min(late) / 1000.0, 2) FROM ($4)")"
}

# hongyan ENGINE ROUND WHO: adds COUNT letters that are due soon to what is there, and serves.
hongyan() {
    local engine=$1 from=$(($2 * 1000000 + 1)) delivered
    letters "$engine" $from $((from + COUNT - 1)) $(($(micros) + LEAD * 1000000)) $STEP
    server_start
    delivered="FROM letters WHERE status = 'DELIVERED' AND ordinal >= $from"
    sleep $((LEAD + SPAN))
    wait_for "$engine" 30 "SELECT COUNT(*) = $COUNT $delivered"
    server_stop
    [ "$engine" = sqlite ] || lateness_postgres "$NAME" "$2" "$3-committed" \
        "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint - send_time AS late $delivered"
    "lateness_$engine" "$NAME" "$2" "$3" "SELECT delivered_at - send_time AS late $delivered"
}

# Letters of the far future, numbers from 100 million.
sleepers() {
    local file
    [ "$2" -gt 0 ] || return 0
    for file in letters dispatches; do
        seed "$1" $file from=100000001 to=$((100000000 + $2)) start=$(($(micros) + 31536000000000)) step=1000
    done
}

raw() {
    local text
    text=$(cat "$BENCH/sql/raw_schema.sql")
    text=${text//@start@/$(($(micros) + $1 * 1000000))}
    text=${text//@step@/$STEP}
    pg -c 'SET synchronous_commit = off; SET client_min_messages = error' -c "${text//@to@/$COUNT}" -c 'VACUUM ANALYZE'
}

raw_late() {
    lateness_postgres "$NAME" "$1" "$2-committed" "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin) - deliver_at)
        * 1000000)::bigint AS late FROM raw_letters WHERE status = 'delivered'"
    lateness_postgres "$NAME" "$1" "$2" "SELECT (extract(epoch FROM delivered_at - deliver_at) * 1000000)::bigint AS late
        FROM raw_letters WHERE status = 'delivered'"
}

PLANS="-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off"

peers() {
    raw 3
    PGOPTIONS=$PLANS pgbench -n -M prepared -D batch=500 -f "$BENCH/sql/raw_tick.sql" -c 1 -T $((SPAN + 4)) >/dev/null
    raw_late "$1" raw
    for peer in $PEERS; do
        raw $LEAD
        case $peer in
        bullmq)
            (cd "$BENCH_WORK" && exec redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --appendonly yes --save '' --dir "$BENCH_WORK" >/dev/null) &
            local redis=$!
            node "$BENCH/peers/bullmq.mjs" $COUNT $((LEAD + SPAN + 5)) >/dev/null
            kill $redis
            wait $redis || true
            raw_late "$1" bullmq
            ;;
        *)
            node "$BENCH/peers/graphile.mjs" $COUNT $((LEAD + SPAN + 5)) "$peer" >/dev/null
            raw_late "$1" "graphile-worker-$peer"
            ;;
        esac
    done
}

for engine in $ENGINES; do
    [ "$engine" = sqlite ] || [ -n "$PG" ] || pg_start
    for sleeping in $SLEEPING; do
        NAME=late-$engine-$sleeping
        echo "== lateness on $engine: $RATE a second for $SPAN s beside $sleeping sleeping letters"
        record "$NAME"
        fresh "$engine"
        sleepers "$engine" "$sleeping"
        settle "$engine"
        for round in $(seq "$ROUNDS"); do
            [ "$engine" = sqlite ] || [ "$sleeping" != 0 ] || peers "$round"
            hongyan "$engine" "$round" hongyan
        done
        report "$NAME" raw
    done
done
