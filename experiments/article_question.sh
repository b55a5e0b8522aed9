#!/usr/bin/env bash
# The article's question: will a student that makes the same mistakes as its teacher also know the
# same things? Once by the teacher's mistakes, once by classes that neither was taught.
#
#   KEXTRACT_DATA=folder/with/npz experiments/article_question.sh [OUTPUT_FOLDER]
#
# DATASET   whose teachers                              (default: mnist)
# MODEL     the network of teachers and students        (default: lenet5)
# METHODS   how students are taught                     (default: random shapes real)
# TEACHING  how teachers are trained                    (default: --epochs 6)
# OPTIONS   more options of every student               (default: none)
# SEEDS     seeds of the students                       (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# KEXTRACT  how to call the program                     (default: uv run kextract)
# PYTHON    how to call Python                          (default: uv run python)
#
# `second` are networks that were trained as the teacher was, from other seeds: what two networks
# share that know nothing of each other. Makes mistakes.json, known.json, two tables and a picture.
set -euo pipefail

export OUT=${1:-results/article-question}
export KEXTRACT=${KEXTRACT:-uv run kextract} DATASET=${DATASET:-mnist} MODEL=${MODEL:-lenet5}
export TEACHING=${TEACHING:---epochs 6} OPTIONS=${OPTIONS:-}
SEEDS=${SEEDS:-0 1 2}
METHODS=${METHODS:-random shapes real}
JOBS=${JOBS:-$(nproc)}
STUDY="${PYTHON:-uv run python} $(dirname "$0")/article_question.py"
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

network() { # network NAME SEED IMAGES: one that is trained with labels
    # shellcheck disable=SC2086 # lists of words
    run "$1" train-teacher -d "$3" -m "$MODEL" --seed "$2" --patience 0 --batch-size 128 \
        --learning-rate 2e-3 --schedule cosine $TEACHING
}
export -f network

student() { # student PREFIX METHOD SEED IMAGES
    if [[ $2 == second ]]; then
        network "$1-second-$3" "$((100 + $3))" "$4"
    else
        # shellcheck disable=SC2086 # a list of words
        run "$1-$2-$3" distill "$OUT/$1-teacher.weights.h5" --method "$2" --seed "$3" -d "$4" $OPTIONS
    fi
}

$STUDY half "$DATASET" "$OUT/half.npz"
network all-teacher 0 "$DATASET"
network half-teacher 0 "$OUT/half.npz"
for method in second $METHODS; do
    for seed in $SEEDS; do
        echo "all $method $seed $DATASET"
        echo "half $method $seed $OUT/half.npz"
    done
done | side_by_side student

$KEXTRACT evaluate "$OUT"/all-*-[0-9]*.weights.h5 --against "$OUT/all-teacher.weights.h5" \
    --dataset "$DATASET" --format json >"$OUT/mistakes.json"
$STUDY known "$DATASET" "$OUT/half-teacher.weights.h5" "$OUT"/half-*-[0-9]*.weights.h5 >"$OUT/known.json"
$STUDY show "$OUT/mistakes.json" "$OUT/known.json" "$OUT/mistakes.svg"
