#!/usr/bin/env bash
# Students taught without their teachers' data: the study of docs/results.md, over several seeds.
#
#   KEXTRACT_DATA=folder/with/npz experiments/without_data.sh [OUTPUT_FOLDER]
#
# TASKS     which students, see `task` below            (default: those taught by features, and
#           those that see their teacher's own images as often, `real-*`)
# SEEDS     seeds of the students                       (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# OPTIONS   more options of every student, such as "--match logits"
# KEXTRACT  how to call the program                     (default: uv run kextract)
# PYTHON    how to call Python                          (default: uv run python)
#
# Teachers that are not there are trained first. Finished runs are skipped and unfinished ones
# continued.
set -euo pipefail

export OUT=${1:-results/without-data}
export KEXTRACT=${KEXTRACT:-uv run kextract} OPTIONS=${OPTIONS:-}
SEEDS=${SEEDS:-0 1 2}
TASKS=${TASKS:-leaves cifar10 wrn-leaves plain mnist-short mnist-shapes strokes-short
    mnist-global-short lenet5-mixed real-cifar10 real-wrn real-plain real-mnist real-strokes
    real-mnist-global real-lenet5}
JOBS=${JOBS:-$(nproc)}
mkdir -p "$OUT"
# shellcheck source=experiments/common.sh
source "$(dirname "$0")/common.sh"

teachers() { # teachers TASK...: those that do not come with kextract
    local training=(--patience 0 --batch-size 128 --learning-rate 2e-3 --schedule cosine)
    [[ $* != *mnist-global* && $* != *mnist-real* && $* != *surrogate* ]] ||
        run teacher-mnist-global train-teacher -d mnist --pooling global --epochs 8 "${training[@]}"
    [[ $* != *lenet5* ]] ||
        run teacher-mnist-lenet5 train-teacher -d mnist -m lenet5 --epochs 12 "${training[@]}"
    [[ $* != *wrn* ]] ||
        run teacher-cifar10-wrn-16-2 train-teacher -d cifar10 -m wrn-16-2 --epochs 8 --augment \
            "${training[@]}"
    [[ $* != *plain* ]] || {
        ${PYTHON:-uv run python} "$(dirname "$0")/plain_network.py" "$OUT/plain.keras" 0
        run teacher-cifar10-plain train-teacher -d cifar10 -m "$OUT/plain.keras" --epochs 16 \
            --augment --patience 0 --batch-size 128 --learning-rate 1e-3 --schedule cosine
    }
}

task() { # task NAME SEED: one student
    local name=$1 seed=$2
    # shellcheck disable=SC2086 # a list of words
    student() { run "$name-$seed" distill "$@" $OPTIONS --seed "$seed"; }
    local photographs=(--method real --shift 3 --epochs 10 --steps-per-epoch 500
        --learning-rate 0.015)
    # These students begin elsewhere than their teacher did.
    [[ $name != *plain || -e $OUT/plain-$seed.keras ]] ||
        ${PYTHON:-uv run python} "$(dirname "$0")/plain_network.py" "$OUT/plain-$seed.keras" \
            "$((seed + 1))"
    case $name in
    strokes)
        student checkpoints/strokes-resnet11.weights.h5 --method inversion --epochs 6 \
            --warm-up 60 --generator-steps 6
        ;;
    mnist-global)
        student "$OUT/teacher-mnist-global.weights.h5" --method inversion --generator-steps 8
        ;;
    strokes-short)
        student checkpoints/strokes-resnet11.weights.h5 --method inversion --epochs 5 --warm-up 60
        ;;
    mnist-short) student checkpoints/mnist-resnet11.weights.h5 --method inversion --epochs 6 ;;
    mnist-shapes) student checkpoints/mnist-resnet11.weights.h5 --method shapes --epochs 6 ;;
    mnist-global-short)
        student "$OUT/teacher-mnist-global.weights.h5" --method inversion --epochs 6 \
            --generator-steps 8
        ;;
    mnist)
        student checkpoints/mnist-resnet11.weights.h5 --method inversion --generator-steps 8
        ;;
    lenet5)
        student "$OUT/teacher-mnist-lenet5.weights.h5" --method shapes --candidates 4 \
            --student lenet5-half --epochs 10 --steps-per-epoch 1600
        ;;
    lenet5-mixed)
        student "$OUT/teacher-mnist-lenet5.weights.h5" --method surrogate --images strokes \
            --mix leaves --student lenet5-half --epochs 30 --steps-per-epoch 1600
        ;;
    surrogate)
        student "$OUT/teacher-mnist-global.weights.h5" --method surrogate --images strokes
        ;;
    mnist-real) student "$OUT/teacher-mnist-global.weights.h5" --method real ;;
    leaves) student checkpoints/cifar10-resnet11.weights.h5 --method leaves ;;
    wrn-leaves)
        student "$OUT/teacher-cifar10-wrn-16-2.weights.h5" --method leaves --student wrn-16-1
        ;;
    plain)
        student "$OUT/teacher-cifar10-plain.weights.h5" --method leaves \
            --student "$OUT/plain-$seed.keras"
        ;;
    cifar10)
        student checkpoints/cifar10-resnet11.weights.h5 --method inversion --preset photos
        ;;
    cifar10-real | cifar10-real-adam)
        local adam=()
        [[ $name != *adam ]] || adam=(--optimizer adam --learning-rate 3e-3)
        student checkpoints/cifar10-resnet11.weights.h5 --method real --distance kl --shift 3 \
            --epochs 1 --steps-per-epoch 1200 "${adam[@]}"
        ;;
    wrn)
        student "$OUT/teacher-cifar10-wrn-16-2.weights.h5" --method inversion --preset photos \
            --student wrn-16-1 --epochs 12 --class-weight 1
        ;;
    real-cifar10) student checkpoints/cifar10-resnet11.weights.h5 "${photographs[@]}" ;;
    real-wrn)
        student "$OUT/teacher-cifar10-wrn-16-2.weights.h5" --student wrn-16-1 "${photographs[@]}"
        ;;
    real-plain)
        student "$OUT/teacher-cifar10-plain.weights.h5" --student "$OUT/plain-$seed.keras" \
            "${photographs[@]}"
        ;;
    real-mnist) student checkpoints/mnist-resnet11.weights.h5 --method real --epochs 6 ;;
    real-strokes) student checkpoints/strokes-resnet11.weights.h5 --method real --epochs 5 ;;
    real-mnist-global)
        student "$OUT/teacher-mnist-global.weights.h5" --method real --epochs 6
        ;;
    real-lenet5)
        student "$OUT/teacher-mnist-lenet5.weights.h5" --method real --student lenet5-half \
            --epochs 30 --steps-per-epoch 1600
        ;;
    preset-*)
        student checkpoints/mnist-resnet11.weights.h5 --method inversion --preset "${name#preset-}"
        ;;
    *)
        echo "no task '$name'" >&2
        return 2
        ;;
    esac
}

# shellcheck disable=SC2086 # lists of words
teachers $TASKS
for name in $TASKS; do
    for seed in $SEEDS; do
        echo "$name $seed"
    done
done | side_by_side task

# The table of docs/results.md.
$KEXTRACT compare "$OUT/*.weights.h5" checkpoints/*.weights.h5 --group-by name \
    --columns teacher_accuracy,test_accuracy,teacher_share,test_agreement,last_accuracy,best_accuracy,minutes \
    --format markdown
