#!/bin/bash
#SBATCH --array=1-16
#SBATCH --cpus-per-task=2
#SBATCH --requeue
# A task that is killed or requeued goes on where it was: run it again as it is.
# In: IN, OUT (a folder of each shard's own is made in it). COUNT: as many as the array has tasks.
set -eu
exec colorrt run "$IN" -o "$OUT/shard-$SLURM_ARRAY_TASK_ID" \
  --shard "$SLURM_ARRAY_TASK_ID/${COUNT:-${SLURM_ARRAY_TASK_COUNT:-16}}" \
  --threads "${SLURM_CPUS_PER_TASK:-2}" --quiet ${ENGINE:+--engine "$ENGINE"} ${MORE:-}
