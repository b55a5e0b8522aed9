#!/usr/bin/env bash
# One student for each configuration file and seed, on the cores of one machine or of many.
#
#   experiments/sweep.sh TEACHER OUTPUT_FOLDER CONFIG.toml...
#   sbatch -a 0-5 experiments/sweep.sh TEACHER OUTPUT_FOLDER a.toml b.toml
#
# SEEDS     seeds of every configuration                (default: 0 1 2)
# JOBS      runs side by side, without Slurm            (default: the number of cores)
# THREADS   threads of each                             (default: 1)
# KEXTRACT  how to call the program                     (default: uv run kextract)
#
# Under Slurm each task of the array makes one student, number SLURM_ARRAY_TASK_ID counted from 0:
# all configurations by the first seed, then by the next; submit it where kextract is installed.
# Finished runs are skipped and unfinished ones continued.
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --requeue
set -euo pipefail

export TEACHER=${1:?a teacher comes first} OUT=${2:?then the folder of the results}
export KEXTRACT=${KEXTRACT:-uv run kextract}
configs=("${@:3}")
: "${configs[0]:?then the configuration files}"
mkdir -p "$OUT"

student() { # student CONFIG SEED
    local name
    name=$(basename "$1" .toml)-s$2
    echo "$name"
    # shellcheck disable=SC2086 # KEXTRACT is a list of words
    $KEXTRACT distill "$TEACHER" --config "$1" --seed "$2" --threads "${THREADS:-1}" \
        --skip-existing --format plain --output "$OUT/$name.weights.h5" \
        >>"$OUT/$name.log" 2>&1 </dev/null
}
export -f student

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
    students | sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" | xargs -L 1 bash -c 'set -euo pipefail; student "$@"' student
else
    students | xargs -P "${JOBS:-$(nproc)}" -L 1 bash -c 'set -euo pipefail; student "$@"' student
    $KEXTRACT compare "$TEACHER" "$OUT"/*.weights.h5
fi
