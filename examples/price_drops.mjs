#!/usr/bin/env node
// Tells of each price that falls: mls-sync changes --columns price --follow | node price_drops.mjs
//
// Each line of `mls-sync changes` is a JSON object. Keep the last seq, and go on with `--since SEQ` after a restart.
import { createInterface } from "node:readline";

// Nobody reads on, as in `| head`.
process.stdout.on("error", () => process.exit(0));

for await (const line of createInterface({ input: process.stdin })) {
  const { seq, feed_id, key, diff } = JSON.parse(line);
  const [before, after] = diff?.price ?? [];
  if (before !== null && after !== null && before > after) {
    const percent = (100 * (before - after) / before).toFixed(2);
    console.log(`${seq}: ${feed_id} ${key} fell by ${percent} % from ${before} to ${after}`);
  }
}
