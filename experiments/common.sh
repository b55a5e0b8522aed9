# What the studies have in common; sourced, not run. Needs $OUT, the folder of the results, and
# $KEXTRACT, the words that call the program.

run() { # run NAME SUBCOMMAND ARGUMENT...: makes $OUT/NAME.weights.h5 unless it is there
    local name=$1
    shift
    if [[ -e $OUT/$name.weights.h5 ]]; then
        echo "$name: done before"
        return
    fi
    local resume=
    [[ -e $OUT/.$name.resume.h5 ]] && resume=--resume
    echo "$name: started"
    # shellcheck disable=SC2086 # KEXTRACT is a list of words
    $KEXTRACT "$@" $resume --threads "${THREADS:-1}" --format plain --output "$OUT/$name.weights.h5" \
        >"$OUT/$name.log" 2>&1 </dev/null
    echo "$name: done"
}
export -f run
