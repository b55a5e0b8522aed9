#!/usr/bin/env bash
# The article's four experiments, each by both recipes and over several seeds.
#
#   KEXTRACT_DATA=folder/with/npz experiments/article.sh [OUTPUT_FOLDER]
#
# DATASETS  data sets to run                            (default: mnist cifar10)
# SEEDS     seeds to run                                (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# LIMIT     training images, for a quick try            (default: all)
# LONG      epochs of adversarial noise on MNIST by the corrected recipe; the article had 42, each
#           of which takes 25 to 45 s here             (default: 42)
# KEXTRACT  how to call the program                     (default: uv run kextract)
#
# Finished runs are skipped and unfinished ones continued, so a stopped study continues where it was.
set -euo pipefail

export OUT=${1:-results/article}
export KEXTRACT=${KEXTRACT:-uv run kextract}
export LIMIT=${LIMIT:-}
export LONG=${LONG:-42}
DATASETS=${DATASETS:-mnist cifar10}
SEEDS=${SEEDS:-0 1 2}
JOBS=${JOBS:-$(nproc)}
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

chain() { # chain DATASET SEED: a teacher and its four students
    local dataset=$1 seed=$2 recipe
    local teacher=$dataset-teacher-$seed
    local -A epochs=([article]=10 [corrected]=10)
    [[ $dataset == mnist ]] && epochs=([article]=42 [corrected]=$LONG)
    run "$teacher" train-teacher --dataset "$dataset" --seed "$seed" ${LIMIT:+--limit "$LIMIT"}
    for recipe in article corrected; do
        run "$dataset-random-$recipe-$seed" distill "$OUT/$teacher.weights.h5" \
            --method random --recipe "$recipe" --seed "$seed"
        run "$dataset-adversarial-$recipe-$seed" distill "$OUT/$teacher.weights.h5" \
            --method adversarial --recipe "$recipe" --epochs "${epochs[$recipe]}" --seed "$seed"
    done
}

for seed in $SEEDS; do
    for dataset in $DATASETS; do
        echo "$dataset $seed"
    done
done | side_by_side chain

# The tables of docs/results.md: losses and accuracies, then what the noise was like.
for dataset in $DATASETS; do
    $KEXTRACT compare "$OUT/$dataset-*.weights.h5" --group-by name --format markdown --columns \
        starting_loss,starting_accuracy,best_loss,best_accuracy,last_loss,last_accuracy,test_accuracy
done
$KEXTRACT compare "$OUT/*-random-*.weights.h5" "$OUT/*-adversarial-*.weights.h5" --group-by name \
    --columns mean_iterations,mean_confidence,last_transfer_agreement,last_agreement \
    --format markdown
