#!/bin/bash
# Installs what the scripts compare with: packages of Debian, the rest into BENCH_WORK. Needs root, for apt and SCHED_RR.
. "$(dirname "$0")/lib.sh"
apt-get update -qq
apt-get install -y -qq --no-install-recommends wrk redis-server sqlite3 postgresql postgresql-contrib nodejs npm curl python3-venv
mkdir -p "$BENCH_WORK"/{node,postfix}
# smtp-sink and smtp-source only: unpacked, not installed, no service.
(cd "$BENCH_WORK/postfix" && apt-get download -qq postfix && dpkg -x postfix_*.deb .)
(cd "$BENCH_WORK/node" && npm init -y >/dev/null && npm i --no-audit --no-fund graphile-worker@0.17.3 pg@8.23.1 bullmq@6.7.0 ioredis@6.0.0 @wecom/crypto@1.0.1)
python3 -m venv "$BENCH_WORK/py" && "$BENCH_WORK/py/bin/pip" install -q wechatpy==1.8.18 cryptography==50.0.2
CARGO_TARGET_DIR=$BENCH_WORK/wecom-target cargo build --release --manifest-path "$BENCH/wecom/Cargo.toml"
CARGO_TARGET_DIR=$BENCH_WORK/bare-target cargo build --release --manifest-path "$BENCH/bare/Cargo.toml"
cargo build --profile fast -p app --manifest-path "$BENCH/../Cargo.toml"
