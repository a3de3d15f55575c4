#!/bin/bash
# Texts of 200 bytes to all of many WebSockets and to single ones: Hongyan's layer (crates/sockets, its example ws_bench)
# beside the limit (one write for each peer from one epoll thread), axum's own WebSockets, and npm's ws.
#   ROUNDS=3 PEERS="1000 5000" SERVERS="raw hongyan axum ws" MESSAGES=100000
# The server has one core, the load the other.
. "$(dirname "$0")/../lib.sh"
WS=$BENCH/ws
if [ -z "${BENCH_RR:-}" ]; then
    CARGO_TARGET_DIR=$BENCH_WORK/ws-target cargo build -q --release --manifest-path "$WS/Cargo.toml"
    cargo build -q --profile fast -p sockets --example ws_bench --manifest-path "$BENCH/../Cargo.toml"
    [ -d "$BENCH_WORK/node/node_modules/ws" ] || (mkdir -p "$BENCH_WORK/node" && cd "$BENCH_WORK/node" && npm i --no-audit --no-fund ws@8.23.0)
fi
real_time "$@"
PEERS=${PEERS-1000 5000}
SERVERS=${SERVERS-raw hongyan axum ws}
MESSAGES=${MESSAGES-100000}
WS_PORT=57080
BUILT=$BENCH_WORK/ws-target/release
HONGYAN_WS=${HONGYAN_WS:-$BENCH/../target/fast/examples/ws_bench}
ulimit -n 20000

serve() {
    case $1 in
    raw | axum) taskset -c 0 "$BUILT/$1" $WS_PORT & ;;
    hongyan) taskset -c 0 "$HONGYAN_WS" $WS_PORT & ;;
    ws) taskset -c 0 node "$WS/ws.mjs" $WS_PORT & ;;
    esac
    SERVER=$!
    until (exec 3<>/dev/tcp/127.0.0.1/$WS_PORT) 2>/dev/null; do sleep 0.1; done
}

for n in $PEERS; do
    NAME=ws-$n
    echo "== $n sockets"
    record "$NAME"
    for round in $(seq "$ROUNDS"); do
        for server in $SERVERS; do
            # A server of its own for each, so that memory is counted from nothing.
            for outstanding in 1 4; do
                serve "$server"
                singles=$((outstanding == 1 ? 2000 : 0))
                read -r rate p99 single50 single99 memory < <(timeout 120 taskset -c 1 "$BUILT/load" \
                    $WS_PORT "$n" $SERVER $((MESSAGES / n)) $outstanding $singles)
                figure "$NAME" "$round" "$server" "$outstanding-outstanding/s" "$rate"
                figure "$NAME" "$round" "$server" "$outstanding-outstanding-p99-ms" "$p99"
                if [ "$outstanding" = 1 ]; then
                    figure "$NAME" "$round" "$server" single-p50-us "$single50"
                    figure "$NAME" "$round" "$server" single-p99-us "$single99"
                    figure "$NAME" "$round" "$server" idle-kib-a-socket "$memory"
                fi
                kill $SERVER
                wait $SERVER 2>/dev/null || true
                SERVER=''
            done
        done
    done
    report "$NAME" raw
done
