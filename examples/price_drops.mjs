#!/usr/bin/env node
// Tells of each price that falls: mls-sync changes --columns price --follow | node price_drops.mjs
//
// Each line of `mls-sync changes` is a JSON object. Keep the last seq, and go on with `--since SEQ` after a restart.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { seq, feed_id, key, kind, diff } = JSON.parse(line);
  const [before, after] = diff?.price ?? [];
  if (kind === "changed" && before > after) {
    const percent = (100 * (before - after) / before).toFixed(1);
    console.log(`${seq}: ${feed_id} ${key} fell by ${percent} % from ${before} to ${after}`);
  }
}
