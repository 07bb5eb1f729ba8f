#!/usr/bin/env node
// hours is a selector of Smart AI Router: rules by the time of day and the caller's
// region say which channels go first.
import { serve, tier } from "./smartrouter.js";

const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const clock = /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/;

serve({
  name: "hours",
  version: "1.0.0",
  doc: "Prefers channels by the time of day and the caller's region.",
  reads: ["now", "region"],
  config: {
    rule: {
      type: "block",
      doc: "the first that matches decides",
      fields: {
        tag: { type: "string", required: true, doc: "channels with it go first" },
        hours: { type: "string", default: "", doc: "such as 22:00-06:00, in UTC; any by default" },
        days: { type: "list", default: [], doc: "of mon, tue, wed, thu, fri, sat, sun; any by default" },
        region: { type: "string", default: "", doc: "how the caller's region begins, such as eu; any by default" },
        only: { type: "bool", default: false, doc: "no other channel is taken" },
      },
    },
  },
  validate(config) {
    const errors = {};
    config.rule.forEach((rule, i) => {
      if (rule.hours && !clock.test(rule.hours)) errors[`rule.${i}.hours`] = `${rule.hours} is not of the form 22:00-06:00`;
      const odd = rule.days.find((d) => !days.includes(d));
      if (odd) errors[`rule.${i}.days`] = `${odd} is none of ${days.join(", ")}`;
    });
    return errors;
  },
  select(request, candidates, config) {
    const rule = config.rule.find((r) => matches(r, request));
    if (!rule) return leased([tier(candidates, "no rule matches")]);
    const first = candidates.filter((c) => c.channel.tags.includes(rule.tag));
    const rest = candidates.filter((c) => !first.includes(c));
    if (rule.only && first.length === 0) throw new Error(`no channel has the tag ${rule.tag}, and the rule says only`);
    return leased([tier(first, `tagged ${rule.tag}`), tier(rule.only ? [] : rest, `not tagged ${rule.tag}`)]);
  },
});

// leased: the answer hangs on its facts alone, and in a minute now is another.
const leased = (tiers) => ({ tiers, lease: { fresh: 60 } });

function matches(rule, { now, region }) {
  const [from, to] = rule.hours ? rule.hours.split("-") : ["00:00", "24:00"];
  const time = now.toISOString().slice(11, 16);
  const inHours = from <= to ? from <= time && time < to : time >= from || time < to; // over midnight
  return inHours && region.startsWith(rule.region) && (rule.days.length === 0 || rule.days.includes(days[now.getUTCDay()]));
}
