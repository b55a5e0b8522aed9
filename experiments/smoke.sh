#!/usr/bin/env bash
# Whether an installation works, from training to the report, in two minutes: for a CI pipeline.
#
#   experiments/smoke.sh [OUTPUT_FOLDER]
#
# KEXTRACT  how to call the program                     (default: uv run kextract)
set -euo pipefail

OUT=${1:-results/smoke}
KEXTRACT=${KEXTRACT:-uv run kextract}
TEACHER=$OUT/teacher.weights.h5
STUDENT=$OUT/student.weights.h5

$KEXTRACT doctor
$KEXTRACT train-teacher --dataset strokes --model lenet5 --epochs 2 --batch-size 128 \
    --learning-rate 2e-3 --output "$TEACHER" --overwrite
$KEXTRACT distill "$TEACHER" --method shapes --epochs 4 --output "$STUDENT" --overwrite \
    --metrics "$OUT/student.csv"
# Fails with exit code 3 where the student is worse.
$KEXTRACT evaluate "$STUDENT" --against "$TEACHER" --min-accuracy 0.85
$KEXTRACT compare "$TEACHER" "$STUDENT"
$KEXTRACT report "$TEACHER" "$STUDENT" --output "$OUT/report.html" --overwrite
