#!/bin/sh
# Appends each price and status that changed since the last run to a CSV file, by cron for example:
# csv_of_changes.sh CONFIG STATE_FILE >>changes.csv
#
# STATE_FILE holds the last number that was read. It is written when the lines are, so no change is missed.
set -eu
if [ $# -ne 2 ]; then
    echo "usage: $0 CONFIG STATE_FILE" >&2
    exit 2
fi
config=$1
state=$2
since=$(cat "$state" 2>/dev/null || true)
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
mls-sync --config "$config" changes --since "${since:-0}" --columns price,listing_status >"$lines"
jq -r '[.seq, .at, .feed_id, .key, .kind, (.diff.price // [null, null])[1], (.diff.listing_status // [null, null])[1]] | @csv' "$lines"
last=$(tail -n 1 "$lines" | jq .seq)
if [ -n "$last" ]; then
    echo "$last" >"$state.new"
    mv "$state.new" "$state"
fi
