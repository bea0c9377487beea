#!/usr/bin/env bash
# Workers of the KCL for Java, of 2.x and then of 3.x, and `consume` as one application: replaced one by the other while
# records come; then a fleet of both that is upgraded from 2.x to 3.x, rolled back and forward. Prints each step with what it
# took; fails when a record is lost or a promise is broken.
#
#   integration-tests/java-fleet.sh             all three, a quarter of an hour after the builds
#   integration-tests/java-fleet.sh 3.5.1       that version of the KCL alone
#
# Needs python3, a JDK from 17 on and Maven. The KCL comes by name from Maven's registry, once, into $KINESIS_CI_CACHE.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
versions=("$@")
[ $# -gt 0 ] || versions=(2.7.2 3.5.1)
cache=${KINESIS_CI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kinesis-toolkit-ci}/java-fleet
work=$(mktemp -d)

cd "$here/.."
cargo build --quiet --release -p kinesis-local -p kinesis-examples --bins

java=()
for version in "${versions[@]}"; do
    sources=$(cd "$here/java-fleet" && cat pom.xml src/main/java/toolkit/*.java | sha256sum | cut -c1-16)
    build=$cache/$version-$sources
    if [ ! -f "$build/target/classpath" ]; then
        rm -rf "$build"
        mkdir -p "$build"
        cp -r "$here/java-fleet/pom.xml" "$here/java-fleet/src" "$build/"
        mvn --batch-mode --quiet --file "$build/pom.xml" "-Dkcl.version=$version" \
            package dependency:build-classpath -Dmdep.outputFile="$build/target/classpath.new" \
            >"$work/maven.log" 2>&1 || {
            echo "java-fleet: the worker of KCL $version cannot be built" >&2
            cat "$work/maven.log" >&2
            exit 1
        }
        mv "$build/target/classpath.new" "$build/target/classpath"
    fi
    java+=(--java "$version=$build/target/classes:$(cat "$build/target/classpath")")
done

if ! python3 "$here/java-fleet/play.py" --programs "${CARGO_TARGET_DIR:-target}/release" --folder "$work" "${java[@]}"; then
    echo "java-fleet: what the workers wrote is in $work" >&2
    exit 1
fi
rm -rf "$work"
