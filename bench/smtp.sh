#!/bin/bash
# Mails a second into Postfix's smtp-sink: COUNT letters to one mail domain due at once, claim and record in the database
# included, beside smtp-source with ten sessions, as many as we open. The sink keeps nothing.
#   ENGINES="sqlite postgres" ROUNDS=3 COUNT=10000
. "$(dirname "$0")/lib.sh"
real_time "$@"
ENGINES=${ENGINES-sqlite postgres} COUNT=${COUNT:-10000}
POSTFIX=$BENCH_WORK/postfix/usr
export HONGYAN_MAIL__TRANSPORT=smtp "HONGYAN_MAIL__SMTP_URL=smtp://127.0.0.1:$SMTP_PORT?tls=none"

# smtp PROGRAM ARGUMENTS…: a program of the unpacked package.
smtp() {
    local program=$1
    shift
    LD_LIBRARY_PATH=$POSTFIX/lib/postfix exec "$POSTFIX/sbin/$program" "$@" >/dev/null 2>&1
}

smtp smtp-sink -u nobody -c "127.0.0.1:$SMTP_PORT" 1024 &
SINK=$!
trap 'kill $SINK; cleanup' EXIT
until (exec 3<>"/dev/tcp/127.0.0.1/$SMTP_PORT") 2>/dev/null; do sleep 0.05; done

for engine in $ENGINES; do
    NAME=smtp-$engine
    echo "== SMTP from $engine: $COUNT mails"
    record "$NAME"
    [ "$engine" = sqlite ] || [ -n "$PG" ] || pg_start
    for round in $(seq "$ROUNDS"); do
        began=$(micros)
        (smtp smtp-source -d -s 10 -m "$COUNT" -l 2048 -f a@example.org -t u@example.org "127.0.0.1:$SMTP_PORT")
        figure "$NAME" "$round" smtp-source mails/s $((COUNT * 1000000 / ($(micros) - began)))
        fresh "$engine"
        for file in letters contents dispatches; do
            seed "$engine" $file from=1 to="$COUNT" start=$(($(micros) - 3600000000)) step=1 type=SPECIFIC \
                email="'someone@example.org'" channel=email destination=example.org
        done
        settle "$engine"
        server_start
        wait_for "$engine" 60 "SELECT COUNT(*) = $COUNT FROM dispatches WHERE state = 'done'"
        server_stop
        figure "$NAME" "$round" hongyan mails/s "$(query "$engine" "SELECT CAST(COUNT(*) * 1000000.0
            / (MAX(finished_at) - MIN(started_at)) AS BIGINT) FROM attempts WHERE outcome = 'done'")"
    done
    report "$NAME" smtp-source
done
