#!/usr/bin/env bash
# How much of a model can be copied with how many questions: one ledger that grows, and a student of
# another architecture for each number of questions.
#
#   experiments/audit.sh [OUTPUT_FOLDER]
#
# TEACHER   the model: a file or python:module:function  (default: the checkpoint of strokes)
# ACCESS    what it answers: probabilities or labels     (default: probabilities)
# BUDGETS   questions, rising                            (default: 1000 5000 20000 50000)
# OPTIONS   more words for distill, such as --dataset    (default: none)
# SEEDS     seeds of the students                        (default: 0)
# THREADS   threads of each                              (default: 1)
# KEXTRACT  how to call the program                      (default: uv run kextract)
#
# Asks no question twice: a student of 5,000 learns from the first 1,000 as well. Makes a table
# (audit.json too) and a plot of accuracy against questions.
set -euo pipefail

export OUT=${1:-results/audit}
export KEXTRACT=${KEXTRACT:-uv run kextract}
TEACHER=${TEACHER:-checkpoints/strokes-resnet11.weights.h5}
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

for budget in ${BUDGETS:-1000 5000 20000 50000}; do
    for seed in ${SEEDS:-0}; do
        # shellcheck disable=SC2086 # a list of words
        run "q$budget-s$seed" distill "$TEACHER" --access "${ACCESS:-probabilities}" \
            --student lenet5 --query-budget "$budget" --ledger "$OUT/audit.ledger.db" \
            --seed "$seed" ${OPTIONS:-}
    done
done

$KEXTRACT compare "$OUT/*.weights.h5" --group-by query_budget --format json >"$OUT/audit.json"
$KEXTRACT compare "$OUT/*.weights.h5" --group-by query_budget \
    --columns test_accuracy,test_agreement \
    --plot "$OUT/questions.svg" --plot-by questions --overwrite
