#!/usr/bin/env bash
# Everything that nobody here wrote against kinesis-local, and the conformance suite against everybody.
#
#   peers.sh FOLDER      FOLDER has the programs kinesis-local and conformance, e.g. target/debug
#
# Witnesses are installed by name from their registries into $KINESIS_CI_CACHE/peers, once; one that cannot be
# installed or does not start fails the run. Needs python3, node, npm, a JDK from 17 on and Maven.
# CONFORMANCE_TABLE=local/FIDELITY.md writes the table of who keeps what there.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -x "$1/kinesis-local" ] || [ ! -x "$1/conformance" ]; then
    echo "usage: peers.sh FOLDER, which has kinesis-local and conformance" >&2
    exit 2
fi
programs=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
table=${CONFORMANCE_TABLE:+$(realpath "$CONFORMANCE_TABLE")}
cache=${KINESIS_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kinesis-toolkit-ci}/peers
mock_version=0.6.2
mkdir -p "$cache"
work=$(mktemp -d)
started=()

finish() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "peers: $1" >&2
    [ $# -lt 2 ] || cat "$2" >&2
    exit 1
}

# until_so SECONDS COMMAND...: waits for the command to succeed.
until_so() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

install() {
    local mock="$cache/npm-$mock_version"
    if [ ! -f "$mock/node_modules/kinesis-local/main.js" ]; then
        npm install --silent --no-audit --no-fund --prefix "$mock" "kinesis-local@$mock_version" \
            || fail "kinesis-mock cannot be installed"
    fi

    local venv="$cache/venv" wanted="$here/clients/requirements.txt"
    if ! cmp -s "$wanted" "$venv/installed"; then
        { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; } \
            || fail "boto3 cannot be installed"
        cp "$wanted" "$venv/installed"
    fi

    local sources
    sources=$(cd "$here/clients/java" && cat pom.xml src/main/java/toolkit/*.java | sha256sum | cut -c1-16)
    java_build="$cache/java-$sources"
    if [ ! -f "$java_build/target/classpath" ]; then
        rm -rf "$java_build"
        mkdir -p "$java_build"
        cp -r "$here/clients/java/pom.xml" "$here/clients/java/src" "$java_build/"
        mvn --batch-mode --quiet --file "$java_build/pom.xml" package dependency:build-classpath \
            -Dmdep.outputFile="$java_build/target/classpath.new" >"$work/maven.log" 2>&1 \
            || fail "the Java client cannot be built" "$work/maven.log"
        mv "$java_build/target/classpath.new" "$java_build/target/classpath"
    fi
}

# ours NAME FLAGS...: starts kinesis-local and sets url.
ours() {
    local name=$1
    shift
    "$programs/kinesis-local" "$@" >"$work/$name.json" 2>"$work/$name.log" &
    started+=($!)
    until_so 20 grep -q kinesis "$work/$name.json" || fail "kinesis-local does not start" "$work/$name.log"
    url=$(sed 's/.*"kinesis":"\([^"]*\)".*/\1/' "$work/$name.json")
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts kinesis-mock from its own folder, where its certificate is, and sets mock_url.
kinesis_mock() {
    local port tls_port
    port=$(free_port)
    tls_port=$(free_port)
    cd "$cache/npm-$mock_version/node_modules/kinesis-local"
    KINESIS_MOCK_PLAIN_PORT=$port KINESIS_MOCK_TLS_PORT=$tls_port SHARD_LIMIT=100000 \
        ON_DEMAND_STREAM_COUNT_LIMIT=1000 LOG_LEVEL=ERROR \
        CREATE_STREAM_DURATION=50ms DELETE_STREAM_DURATION=50ms REGISTER_STREAM_CONSUMER_DURATION=50ms \
        DEREGISTER_STREAM_CONSUMER_DURATION=50ms MERGE_SHARDS_DURATION=50ms SPLIT_SHARD_DURATION=50ms \
        UPDATE_SHARD_COUNT_DURATION=50ms node main.js >"$work/mock.log" 2>&1 &
    started+=($!)
    cd - >/dev/null
    mock_url=http://127.0.0.1:$port
    until_so 30 python3 -c "import urllib.request; urllib.request.urlopen('$mock_url/healthcheck', timeout=2)" \
        || fail "kinesis-mock does not start" "$work/mock.log"
}

java_client() {
    timeout 120 java -cp "$java_build/target/classes:$(cat "$java_build/target/classpath")" toolkit.Client "$1"
}

install

ours plain
plain=$url
ours tls --tls
echo "== clients that nobody here wrote"
timeout 120 "$cache/venv/bin/python3" "$here/clients/boto3_client.py" "$plain"
java_client "$plain"
java_client "$url"

echo "== who keeps which rule"
kinesis_mock
timeout 600 "$programs/conformance" --against ours --against in-process --against ferrokinesis \
    --against "kinesis-mock=$mock_url" ${table:+--write "$table"} >"$work/conformance.log" \
    || fail "ours breaks a rule" "$work/conformance.log"
grep -E '^(FAIL|.* not offered$)' "$work/conformance.log"
