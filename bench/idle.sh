#!/bin/bash
# The server with nothing to do: milliseconds from its start until it is ready, on an empty data folder and on one that is
# migrated, and its resident memory a few seconds later.
#   ENGINES="sqlite postgres" ROUNDS=3
. "$(dirname "$0")/lib.sh"
real_time "$@"
ENGINES=${ENGINES-sqlite postgres}
for engine in $ENGINES; do
    NAME=idle-$engine
    echo "== idle on $engine"
    record "$NAME"
    [ "$engine" = sqlite ] || [ -n "$PG" ] || pg_start
    for round in $(seq "$ROUNDS"); do
        engine "$engine"
        rm -rf "$DATA"
        [ "$engine" = sqlite ] || pg -d postgres -c 'DROP DATABASE IF EXISTS bench WITH (FORCE)' -c 'CREATE DATABASE bench'
        for state in first again; do
            read -r ready resident < <(python3 "$BENCH/ready.py" "$HONGYAN" "$HTTP_PORT")
            figure "$NAME" "$round" "$state" ready-ms "$ready"
            figure "$NAME" "$round" "$state" resident-mb "$resident"
        done
    done
    report "$NAME" none
done
