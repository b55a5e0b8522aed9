#!/usr/bin/env bash
# How far students of other seeds are apart, by three methods, on generated digits.
#
#   experiments/seeds.sh [OUTPUT_FOLDER]
#
# SEEDS     seeds of the students                       (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# KEXTRACT  how to call the program                     (default: uv run kextract)
#
# Takes about 15 minutes on two cores and makes the plot and the page of docs/studies.md.
set -euo pipefail

export OUT=${1:-results/seeds}
export KEXTRACT=${KEXTRACT:-uv run kextract}
export TEACHER=checkpoints/strokes-resnet11.weights.h5
SEEDS=${SEEDS:-0 1 2}
JOBS=${JOBS:-$(nproc)}
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

student() { # student METHOD SEED
    local -A more=(
        [random]=""
        [shapes]="--student lenet5"
        [inversion]="--warm-up 60 --generator-steps 6 --save-images 6"
    )
    # shellcheck disable=SC2086 # a list of words
    run "$1-s$2" distill "$TEACHER" --method "$1" --epochs 6 --seed "$2" ${more[$1]}
}

for seed in $SEEDS; do
    for method in random shapes inversion; do
        echo "$method $seed"
    done
done | side_by_side student

$KEXTRACT compare "$TEACHER" "$OUT/*.weights.h5" --plot "$OUT/epochs.svg" --overwrite \
    --columns best_loss,best_accuracy,last_accuracy,test_accuracy
$KEXTRACT report "$TEACHER" "$OUT/*.weights.h5" --output "$OUT/report.html" --overwrite
