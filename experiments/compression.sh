#!/usr/bin/env bash
# How small a student can be: networks of falling size, all taught by inversion.
#
#   experiments/compression.sh [OUTPUT_FOLDER]
#
# SEEDS     seeds of the students                       (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# KEXTRACT  how to call the program                     (default: uv run kextract)
#
# Takes about 20 minutes on two cores and makes the plot of docs/studies.md.
set -euo pipefail

export OUT=${1:-results/compression}
export KEXTRACT=${KEXTRACT:-uv run kextract}
export TEACHER=checkpoints/strokes-resnet11.weights.h5
SEEDS=${SEEDS:-0 1 2}
JOBS=${JOBS:-$(nproc)}
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

student() { # student ARCHITECTURE SEED
    run "$1-s$2" distill "$TEACHER" --method inversion --student "$1" --seed "$2" --epochs 6 \
        --warm-up 60 --generator-steps 6
}

for seed in $SEEDS; do
    for architecture in resnet11 wrn-16-1 lenet5 lenet5-half; do
        echo "$architecture $seed"
    done
done | side_by_side student

$KEXTRACT compare "$TEACHER" "$OUT/*.weights.h5" --group-by student \
    --columns parameters,test_accuracy,teacher_share,test_agreement \
    --plot "$OUT/sizes.svg" --plot-by parameters --overwrite
