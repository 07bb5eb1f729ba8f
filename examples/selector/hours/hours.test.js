import assert from "node:assert";
import { test } from "node:test";
import { start } from "./testing.js";

const channels = [
  { channel: "cloud", tags: ["paid"] },
  { channel: "basement", tags: ["local"] },
  { channel: "frankfurt", tags: ["eu", "paid"] },
];

test("the first rule that matches decides", async (t) => {
  const p = await start("./hours.js", {
    rule: [
      { tag: "eu", region: "eu", only: true },
      { tag: "local", hours: "22:00-06:00" },
      { tag: "local", days: ["sat", "sun"] },
    ],
  });
  t.after(p.stop);
  for (const [name, now, region, want] of [
    ["by day", "2026-11-27T12:00:00Z", "us-east", "cloud basement frankfurt"], // a Friday
    ["by night", "2026-11-27T22:00:00Z", "us-east", "basement | cloud frankfurt"],
    ["before six", "2026-11-27T05:59:00Z", "", "basement | cloud frankfurt"],
    ["at six", "2026-11-27T06:00:00Z", "", "cloud basement frankfurt"],
    ["on Saturday", "2026-11-28T12:00:00Z", "", "basement | cloud frankfurt"],
    ["from Europe, by night too", "2026-11-27T23:00:00Z", "eu-west-1", "frankfurt"],
  ]) {
    const plan = await p.select({ model: "gpt-4o", now: new Date(now), region }, channels);
    assert.equal(plan, want, name);
  }
  await assert.rejects(
    p.select({ model: "gpt-4o", now: new Date("2026-11-27T12:00:00Z"), region: "eu" }, channels.slice(0, 2)),
    /no channel has the tag eu/,
  );
});

test("a rule that can't be read is named", async (t) => {
  const p = await start("./hours.js", { rule: [{ tag: "a" }, { tag: "b", hours: "10-12", days: ["mo"] }] });
  t.after(p.stop);
  assert.deepEqual(p.errors.map((e) => e.path), ["rule.1.hours", "rule.1.days"]);
});
