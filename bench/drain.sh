#!/bin/bash
# Jobs a second while COUNT letters are due at once: of names without accounts (`hongyan`), one of a thousand of which
# cannot be delivered (`poisoned`); of accounts that want every notification (`told`), and that want none (`silent`).
#   ENGINES="postgres sqlite" ROUNDS=3 COUNT=100000 PEERS="default tuned" CASES="hongyan poisoned told silent"
. "$(dirname "$0")/lib.sh"
real_time "$@"
COUNT=${COUNT:-100000} ENGINES=${ENGINES-postgres sqlite} PEERS=${PEERS-default tuned} CASES=${CASES-hongyan poisoned told silent} PEER_SECONDS=${PEER_SECONDS:-5}

# From the first to the last delivery, as the database has it; the first batch is within the noise.
SPEED="SELECT CAST(COUNT(*) * 1000000.0 / (MAX(delivered_at) - MIN(delivered_at)) AS BIGINT) FROM letters
       WHERE status = 'DELIVERED'"

poison_postgres="
    CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''poisoned''; END';
    CREATE TRIGGER poison BEFORE UPDATE ON letters FOR EACH ROW WHEN (OLD.ordinal % 1000 = 500)
        EXECUTE FUNCTION poison();"
poison_sqlite="
    CREATE TRIGGER poison BEFORE UPDATE ON letters WHEN OLD.ordinal % 1000 = 500
        BEGIN SELECT RAISE(ABORT, 'poisoned'); END;"

# hongyan ENGINE ROUND WHO: our server on COUNT due letters.
hongyan() {
    local engine=$1 good=$COUNT poison=poison_$1 levels
    fresh "$engine"
    letters "$engine" 1 "$COUNT" $(($(micros) - 3600000000)) 1000
    if [ "$3" = poisoned ]; then
        good=$((COUNT - COUNT / 1000))
        query "$engine" "${!poison}"
    fi
    case $3 in
        told) seed "$engine" authors from=0 to=9999 wants=TRUE ;;
        silent) seed "$engine" authors from=0 to=9999 wants=FALSE ;;
    esac
    settle "$engine"
    HONGYAN_LOG__LEVEL=off server_start
    wait_for "$engine" 120 "SELECT COUNT(*) = $good FROM inbox"
    server_stop
    figure "drain-$engine" "$2" "$3" jobs/s "$(query "$engine" "$SPEED")"
    query "$engine" "SELECT CASE WHEN COUNT(*) = $good THEN '' ELSE 'WRONG: ' || COUNT(*) || ' in inboxes' END FROM inbox"
}

raw_postgres() {
    local text
    text=$(cat "$BENCH/sql/raw_schema.sql")
    text=${text//@start@/$(($(micros) - 3600000000))}
    text=${text//@step@/1000}
    pg -c 'SET synchronous_commit = off; SET client_min_messages = error' -c "${text//@to@/$COUNT}" -c 'VACUUM ANALYZE' -c CHECKPOINT
}

# Generic plans by index, so that neither planning nor a stale estimate is in the loop.
PLANS="-c plan_cache_mode=force_generic_plan -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off"

for engine in $ENGINES; do
    echo "== drain on $engine: $COUNT letters due"
    record "drain-$engine"
    [ "$engine" = sqlite ] || [ -n "$PG" ] || pg_start
    for round in $(seq "$ROUNDS"); do
        if [ "$engine" = postgres ]; then
            fresh postgres
            raw_postgres
            tps=$(PGOPTIONS=$PLANS pgbench -n -M prepared -D batch=500 -f "$BENCH/sql/raw_drain.sql" -c 1 \
                -t $((COUNT / 500)) | sed -n 's/^tps = \([0-9.]*\).*/\1/p')
            figure drain-postgres "$round" raw jobs/s "$(python3 -c "print(round($tps * 500))")"
            for mode in $PEERS; do
                raw_postgres
                figure drain-postgres "$round" "graphile-worker-$mode" jobs/s \
                    "$(node "$BENCH/peers/graphile.mjs" "$COUNT" "$PEER_SECONDS" "$mode")"
            done
        else
            figure drain-sqlite "$round" raw jobs/s "$(python3 "$BENCH/raw_sqlite.py" "$BENCH_WORK/raw.db" "$COUNT" 500)"
        fi
        for case in $CASES; do hongyan "$engine" "$round" "$case"; done
    done
    report "drain-$engine" raw
done
