#!/bin/sh
# Appends what changed since the last run to a CSV file, by cron for example: csv_of_changes.sh CONFIG STATE_FILE >>changes.csv
#
# STATE_FILE holds the last number that was read. It is written when the lines are, so no change is missed.
set -eu
config=$1
state=$2
since=$(cat "$state" 2>/dev/null || echo 0)
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
mls-sync --config "$config" changes --since "$since" --columns price,listing_status >"$lines"
jq -r '[.seq, .at, .feed_id, .key, .kind, (.diff.price // [null, null])[1], (.diff.listing_status // [null, null])[1]] | @csv' "$lines"
last=$(tail -n 1 "$lines" | jq .seq)
if [ -n "$last" ]; then
    echo "$last" >"$state.new"
    mv "$state.new" "$state"
fi
