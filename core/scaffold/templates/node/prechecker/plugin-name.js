#!/usr/bin/env node
// plugin-name is a prechecker of Smart AI Router: it says whether a target can be
// reached, before it gets a request.
import { serve } from "./smartrouter.js";

serve({
  name: "plugin-name",
  version: "0.1.0",
  doc: "Asks for the list of models, and takes a slow one for not available.",
  config: {
    slowest: { type: "duration", default: "1s", min: 1, doc: "a list of models that takes longer counts as not available" },
  },
  // check asks for the list of models, which spends no token. The router adds
  // the credential: the plugin never sees it.
  async check(channel, model, upstream, config) {
    const { status, latency } = await upstream({ endpoint: "models" });
    return {
      available: status === 200 && latency <= config.slowest,
      reason: `answered ${status} in ${Math.round(latency)}ms`,
    };
  },
});
