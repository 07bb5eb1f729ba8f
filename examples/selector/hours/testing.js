// What a test needs: start runs the plugin as the router does, in a process of
// its own, and asks it over RPC. Written by `smartrouter plugin new`.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import grpc from "@grpc/grpc-js";
import { contract } from "./smartrouter.js";

/**
 * start starts a program with a config. upstream answers for the channels that
 * a prechecker asks: (request) => ({ status, body }).
 */
export async function start(program, config = {}, upstream = () => ({ status: 200 })) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "plugin-"));
  const env = {
    PATH: process.env.PATH, SMARTROUTER_PLUGIN: "8f1d0c6e-decisions-out-of-process",
    PLUGIN_UNIX_SOCKET_DIR: dir, PLUGIN_PROTOCOL_VERSIONS: "1,2", SMARTROUTER_LIFELINE_FD: "3",
  };
  const child = spawn(path.resolve(program), [], { env, stdio: ["ignore", "pipe", "inherit", "pipe"], detached: true });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const [line] = await Promise.race([
    new Promise((resolve) => readline.createInterface(child.stdout).once("line", (l) => resolve([l]))),
    ended.then((code) => Promise.reject(new Error(`${program} ended with ${code} before its handshake`))),
  ]);
  const address = "unix:" + line.split("|")[3];
  const lent = new grpc.Server();
  lent.addService(contract.Upstream.service, { Do: (call, done) => done(null, { latency: { seconds: 0 }, ...upstream(call.request) }) });
  await new Promise((resolve) => lent.bindAsync(`unix:${dir}/upstream`, grpc.ServerCredentials.createInsecure(), resolve));

  const clients = [];
  const ask = (service, method, request) =>
    new Promise((resolve, reject) => {
      const client = new contract[service](address, grpc.credentials.createInsecure());
      clients.push(client);
      client[method](request, { deadline: Date.now() + 30e3 }, (err, answer) => (err ? reject(err) : resolve(answer)));
    });
  const configJson = Buffer.from(JSON.stringify(config));
  const { errors } = await ask("Plugin", "Configure", { configJson, upstreamSocket: `${dir}/upstream` });
  let generation = 0;
  return {
    /** errors are what the plugin does not accept in its config. */
    errors,
    /** select answers the plan as text: "a b | c". A candidate names its channel: { channel: "a" }. */
    async select(request, candidates) {
      generation++;
      const channels = candidates.map((c) => ({ name: c.channel, tags: c.tags, region: c.region }));
      const still = candidates.map((c, i) => ({ weight: 1, model: request.model, ...c, channel: i }));
      await ask("Selector", "Learn", { generation, candidates: still, channels });
      const live = candidates.map((c, ref) => ({ ...c, ref, ttft: { seconds: 0, nanos: (c.ttft ?? 0) * 1e6 } }));
      const now = request.now && { seconds: request.now.getTime() / 1e3 };
      const plan = await ask("Selector", "Select", { generation, request: { ...request, now }, candidates: live });
      return plan.tiers.map((t) => t.picks.map((p) => candidates[p.ref].channel).join(" ")).join(" | ");
    },
    check: (channel, model) => ask("Prechecker", "Check", { channel, model }),
    /** stop ends the router's side, which ends the plugin. */
    async stop() {
      clients.forEach((c) => c.close());
      child.stdio[3].destroy();
      await ended;
      lent.forceShutdown();
      fs.rmSync(dir, { recursive: true });
    },
  };
}
