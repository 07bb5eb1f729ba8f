import assert from "node:assert";
import { test } from "node:test";
import { start } from "./testing.js";

// The plugin runs as the router runs it: in a process of its own, over RPC.
test("targets that fail go last", async (t) => {
  const p = await start("./plugin-name.js", { max_error_rate: 0.3 });
  t.after(p.stop);
  const plan = await p.select({ model: "gpt-4o" }, [
    { channel: "failing", errorRate: 0.4 },
    { channel: "good", errorRate: 0.01 },
    { channel: "new" },
  ]);
  assert.equal(plan, "good new | failing");
});

test("rates are shares", async (t) => {
  const p = await start("./plugin-name.js", { max_error_rate: 30 });
  t.after(p.stop);
  assert.equal(p.errors.length, 1);
  assert.equal(p.errors[0].path, "max_error_rate");
});
