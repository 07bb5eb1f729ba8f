import assert from "node:assert";
import { test } from "node:test";
import { start } from "./testing.js";

// The plugin runs as the router runs it: in a process of its own, over RPC.
test("who lists its models is available", async (t) => {
  const p = await start("./plugin-name.js", {}, (q) => ({ status: q.channel === "broken" ? 500 : 200 }));
  t.after(p.stop);
  for (const [name, available] of [["good", true], ["broken", false]]) {
    const got = await p.check({ name }, "gpt-4o");
    assert.equal(got.available, available, got.reason);
  }
});
