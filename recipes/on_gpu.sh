#!/usr/bin/env bash
# Trains recipes/delta.yaml for some minutes on a machine with a GPU, from a packed cache; repeat it to continue.
#
#   reage data pack work/cache160 -o faces.npz --min-sharpness 32        on your own machine
#   recipes/on_gpu.sh faces.npz 9 [key=value]...                         in a checkout of this project on the other
#
# It needs torch and this project's extra `train`, or its packages on PYTHONPATH. The folder named by OUT (default:
# gpu) then holds the weights in parts of 15 MB, which small transfers allow, the log, and the last sample sheet:
#
#   cat gpu/weights.safetensors.* > runs/gpu/weights.safetensors         on your own machine, to export or go on
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2; }
faces=$(realpath "$1"); minutes=$2; shift 2
cd "$(dirname "$0")/.."
run=runs/gpu; out=${OUT:-gpu}; python=${PYTHON:-python3}
export PYTHONPATH=$PWD/src${PYTHONPATH:+:$PYTHONPATH}

"$python" -c 'import torch; gpu = torch.cuda.is_available()
print(torch.cuda.get_device_name() if gpu else "no GPU here: this will train on the processor")'
[ -d work/packed ] || "$python" -m reage data unpack "$faces" -o work/packed

resume=(); [ -d $run/checkpoints ] && resume=(--resume)
# SIGTERM ends a run after its step, with a checkpoint.
code=0
timeout --signal=TERM "${minutes}m" "$python" -m reage train recipes/delta.yaml -o $run --skip-test "${resume[@]}" \
  data.cache=work/packed data.min_sharpness=0 precision=bf16 batch=96 "$@" || code=$?
[ $code = 0 ] || [ $code = 124 ] || [ $code = 143 ] || exit $code  # 124, 143: the time was up

mkdir -p "$out"
split -b 15M $run/weights.safetensors "$out/weights.safetensors."
newest=$(find $run/samples -type f 2>/dev/null | sort | tail -1)
for file in $run/settings.json $run/log.jsonl $newest; do  # there is no log before step 50, and no sheet before an epoch
  [ ! -e "$file" ] || cp "$file" "$out"
done
ls -l "$out"
