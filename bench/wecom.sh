#!/bin/bash
# Callbacks of WeCom opened a second, 500 bytes each, on one thread: ours from the query to the message's fields, beside
# the same signature and decryption without any check, and the libraries of Node.js and Python.
#   ROUNDS=3 SECONDS_EACH=2
. "$(dirname "$0")/lib.sh"
real_time "$@"
EACH=${SECONDS_EACH:-2} NAME=wecom
record $NAME
for round in $(seq "$ROUNDS"); do
    for who in rustcrypto aws-lc hongyan; do
        figure $NAME "$round" "$who" callbacks/s "$("$BENCH_WORK/wecom-target/release/wecom" $who "$EACH")"
    done
    figure $NAME "$round" wecom-crypto callbacks/s "$(node "$BENCH/peers/wecom.mjs" "$EACH")"
    figure $NAME "$round" wechatpy callbacks/s "$("$BENCH_WORK/py/bin/python" "$BENCH/peers/wecom.py" "$EACH")"
done
report $NAME rustcrypto
