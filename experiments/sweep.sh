#!/usr/bin/env bash
# One student for each configuration file and seed, on the cores of one machine or of many.
#
#   experiments/sweep.sh TEACHER OUTPUT_FOLDER CONFIG.toml...
#   sbatch -a 0-5 experiments/sweep.sh TEACHER OUTPUT_FOLDER a.toml b.toml
#
# SEEDS     seeds of every configuration                (default: 0 1 2)
# JOBS      runs side by side                           (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# KEXTRACT  how to call the program                     (default: uv run kextract)
#
# Under Slurm each task of the array makes one student, number SLURM_ARRAY_TASK_ID counted from 0:
# all configurations by the first seed, then by the next; submit it from kextract's own folder.
# Finished runs are skipped and unfinished ones continued.
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --requeue
set -euo pipefail

export TEACHER=${1:?a teacher comes first} OUT=${2:?then the folder of the results}
export KEXTRACT=${KEXTRACT:-uv run kextract}
JOBS=${JOBS:-$(nproc)}
configs=("${@:3}")
: "${configs[0]:?then the configuration files}"
same=$(basename -a "${configs[@]}" | sort | uniq -d)
if [[ $same ]]; then
    echo "two configurations are called $same, and so would their students be: rename one" >&2
    exit 1
fi
mkdir -p "$OUT"
# Slurm runs a copy of this file, in a folder of its own.
here=${SLURM_SUBMIT_DIR:+$SLURM_SUBMIT_DIR/experiments}
# shellcheck source=experiments/common.sh
source "${here:-$(dirname "$0")}/common.sh"

student() { # student CONFIG SEED
    run "$(basename "$1" .toml)-s$2" distill "$TEACHER" --config "$1" --seed "$2"
}

students() { # a line for each: CONFIG SEED
    local seed
    for seed in ${SEEDS:-0 1 2}; do printf "%q $seed\n" "${configs[@]}"; done
}

if [[ ${SLURM_ARRAY_TASK_ID:-} ]]; then
    count=$(students | wc -l)
    if ((SLURM_ARRAY_TASK_ID >= count)); then
        echo "no student $SLURM_ARRAY_TASK_ID: there are $count, counted from 0" >&2
        exit 1
    fi
    students | sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" | side_by_side student
else
    students | side_by_side student
    $KEXTRACT compare "$TEACHER" "$OUT"/*.weights.h5
fi
