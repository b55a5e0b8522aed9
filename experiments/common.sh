# What the studies have in common; sourced, not run. Needs $OUT, the folder of the results, and
# $KEXTRACT, the words that call the program.

run() { # run NAME SUBCOMMAND ARGUMENT...: makes $OUT/NAME.weights.h5, or continues it
    local name=$1
    shift
    # All of it is in the log; results are shown too, each line with the run's name before it.
    # shellcheck disable=SC2086 # KEXTRACT is a list of words
    $KEXTRACT "$@" --skip-existing --threads "${THREADS:-1}" --format plain \
        --output "$OUT/$name.weights.h5" 2>>"$OUT/$name.log" </dev/null |
        tee -a "$OUT/$name.log" | sed -u "s|^|$name  |"
}
export -f run

side_by_side() { # side_by_side FUNCTION: calls it for each line of stdin, $JOBS at a time
    export -f "${1?}"
    xargs -P "$JOBS" -L 1 bash -c "set -euo pipefail; $1 \"\$@\"" "$1"
}
