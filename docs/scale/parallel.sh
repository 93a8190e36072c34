#!/bin/bash
# One machine after another over ssh: parallel --sshloginfile machines …; on one machine, as here, JOBS shards at a time.
# In: IN, OUT, COUNT, JOBS. xargs does where GNU parallel is missing.
set -eu
export IN OUT COUNT
shard() {
  colorrt run "$IN" -o "$OUT/shard-$1" --shard "$1/$COUNT" --threads 1 --quiet ${ENGINE:+--engine "$ENGINE"} ${MORE:-}
}
export -f shard
if parallel --version 2>/dev/null | grep -q GNU; then
  seq "$COUNT" | parallel --jobs "$JOBS" --retries 3 shard
else
  seq "$COUNT" | xargs -P "$JOBS" -I{} bash -c 'shard "$1"' shard {}
fi
colorrt journal merge "$OUT" "$OUT"/shard-*
