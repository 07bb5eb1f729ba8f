#!/usr/bin/env node
// plugin-name is a selector of Smart AI Router: it says which targets a request
// goes to, and in what order.
import { serve, tier } from "./smartrouter.js";

serve({
  name: "plugin-name",
  version: "0.1.0",
  doc: "Tries steady targets first.",
  reads: [], // the facts that decide, such as "tokens"
  config: {
    max_error_rate: { type: "float", default: 0.2, min: 0, max: 1, doc: "targets that fail more often go last" },
  },
  // select answers for every request with the same facts, until its lease ends.
  select(request, candidates, config) {
    const steady = (c) => c.errorRate <= config.max_error_rate;
    return [
      tier(candidates.filter(steady), "steady"),
      tier(candidates.filter((c) => !steady(c)), "fails often"),
    ];
  },
});
