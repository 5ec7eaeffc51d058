#!/usr/bin/env bash
# Makes the clip that simulated cameras show anew. Needs ffmpeg.
set -euo pipefail
cd "$(dirname "$0")/.."
squares=""
for bit in 0 1 2 3 4 5 6; do
    squares+=",drawbox=x=$((96 + bit * 64)):y=300:w=48:h=48:color=white:t=fill:enable='mod(floor(n/$((1 << bit)))\,2)'"
done
ffmpeg -v error -y -f lavfi -i "testsrc=size=640x360:rate=15:duration=8" \
    -vf "drawbox=x=64:y=284:w=512:h=76:color=black:t=fill$squares,format=yuv420p" \
    -c:v libx264 -profile:v baseline -preset veryslow -tune animation -crf 33 \
    -x264-params keyint=15:min-keyint=15:scenecut=0:ref=1:slices=1:sliced-threads=0 \
    -bsf:v filter_units=remove_types=6 gateway/simulator/video/clip.h264
