// What the author of a plugin should not have to write: the contract in
// proto/sdk/proto, spoken as Smart AI Router expects it. Written by
// `smartrouter plugin new`; import it before everything else.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const protocolVersions = [1, 2]; // of the contract: the newest that the router speaks too is taken
const maxMessageBytes = 64 << 20;
const isPlugin = process.env.SMARTROUTER_PLUGIN === "8f1d0c6e-decisions-out-of-process";

// The router reads one line of stdout, the handshake. All else that is printed
// goes to stderr, which is the router's log.
const handshake = (line) => fs.writeSync(1, line + "\n");
if (isPlugin) process.stdout.write = process.stderr.write.bind(process.stderr);

/** log writes to the router's log: log.warn("too slow", { channel: "a" }). */
export const log = Object.fromEntries(
  ["trace", "debug", "info", "warn", "error"].map((level, rank, levels) => [
    level,
    (message, fields = {}) => {
      const wanted = levels.indexOf(process.env.SMARTROUTER_LOG_LEVEL ?? "warn");
      if (wanted < 0 || rank < wanted) return;
      process.stderr.write(JSON.stringify({ "@level": level, "@message": message, ...fields }) + "\n");
    },
  ]),
);

/** contract holds the services and messages. */
export const contract = load();

function load() {
  const root = fileURLToPath(new URL("proto", import.meta.url));
  const files = fs.readdirSync(path.join(root, "sdk/proto")).map((f) => "sdk/proto/" + f);
  const options = { includeDirs: [root], defaults: true, longs: String, enums: String };
  return grpc.loadPackageDefinition(loader.loadSync(files, options)).smartrouter.plugin.v1;
}

/**
 * tier is a group of equals; the router goes on to the next tier when all of
 * one failed. Inside a tier it balances by weight or load, or, with
 * "hash:prefix" and the like, sends equal requests to the same target.
 */
export const tier = (candidates, reason = "", balance = "") => ({
  balance,
  picks: candidates.map((c) => ({ ref: c.ref, weight: c.weight, reason })),
});

/** inOrder is a list of tiers that tries the candidates one after the other. */
export const inOrder = (candidates, reason) => candidates.map((c) => tier([c], reason));

/**
 * serve runs the plugin: its name and version, the facts that it reads, its
 * config block's fields, and the method of its kind, select or check.
 */
export function serve(plugin) {
  if (!isPlugin) return explain(plugin);
  watchLifeline();
  for (const s of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(s, () => {}); // the router says when
  const server = new grpc.Server({ "grpc.max_receive_message_length": maxMessageBytes });
  const state = { config: undefined, upstream: undefined };
  server.addService(contract.Plugin.service, {
    Describe: answer(() => manifest(plugin)),
    Configure: answer((r) => configure(plugin, state, r)),
    Stop: goodbye(server, {}),
  });
  if (plugin.select) server.addService(contract.Selector.service, selector(plugin, state));
  if (plugin.check) server.addService(contract.Prechecker.service, prechecker(plugin, state));
  server.addService(raw("/grpc.health.v1.Health/Check"), { call: (_, done) => done(null, Buffer.from([8, 1])) }); // SERVING
  server.addService(raw("/plugin.GRPCController/Shutdown"), { call: goodbye(server, Buffer.alloc(0)) }); // in version 1
  const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR ?? ".", `plugin-${process.pid}`);
  server.bindAsync("unix:" + socket, grpc.ServerCredentials.createInsecure(), (err) => {
    if (err) throw err;
    const offered = (process.env.PLUGIN_PROTOCOL_VERSIONS ?? "1").split(",").map(Number);
    const version = Math.max(...protocolVersions.filter((v) => offered.includes(v)), protocolVersions[0]);
    handshake(`1|${version}|unix|${socket}|grpc|`);
  });
}

let lifeline; // the process that reads it

// goodbye answers, and ends the process once the answers under way are written.
const goodbye = (server, last) => (_, done) => {
  done(null, last);
  const end = () => {
    if (!lifeline?.pid || lifeline.exitCode !== null) process.exit(0);
    lifeline.removeAllListeners("exit").on("exit", () => process.exit(0)).kill("SIGKILL");
  };
  server.tryShutdown(end);
  setTimeout(end, 500);
};

const kind = (plugin) => (plugin.select ? "selector" : "prechecker");

function explain(plugin) {
  const program = path.resolve(process.argv[1]);
  console.log(`${plugin.name} ${plugin.version}: a ${kind(plugin)} plugin of Smart AI Router.

The router starts it. For that, put this into your router.hcl:

plugin "${kind(plugin)}" "${plugin.name}" {
  command = [${JSON.stringify(program)}]
}

# and name it in a step of your pipeline: run = plugin.${kind(plugin)}.${plugin.name}`);
  process.exitCode = 1;
}

// bound is one as a config block has it.
const bound = (f, v) => (v === undefined ? "" : v + ({ duration: "ms", size: "B" }[f.type] ?? ""));

function manifest(plugin) {
  const describe = (fields = {}) =>
    Object.entries(fields).map(([name, f]) => ({
      name, type: f.type, required: !!f.required, doc: f.doc,
      defaultJson: f.required ? "" : JSON.stringify(f.default ?? []),
      fields: describe(f.fields), min: bound(f, f.min), max: bound(f, f.max),
    }));
  return {
    name: plugin.name, version: plugin.version, doc: plugin.doc, kinds: [kind(plugin)],
    reads: plugin.reads ?? [], needs: plugin.needs ?? [], fields: describe(plugin.config),
  };
}

// configure fills the config and checks it: types and bounds, then the plugin's
// own validate, which returns what is wrong: { path: message }.
function configure(plugin, state, r) {
  if (state.config) throw failure("FAILED_PRECONDITION", "the plugin is configured already");
  const errors = [];
  const wrong = (path, message) => errors.push({ path, message });
  const fill = (fields, given, at) => {
    for (const name of Object.keys(given)) if (!fields[name]) wrong(at + name, "is unknown");
    return Object.fromEntries(
      Object.entries(fields).map(([name, f]) => {
        let v = given[name] ?? f.default ?? [];
        if (given[name] == null && f.required) wrong(at + name, "is required");
        else if (given[name] != null && !types[f.type](v)) wrong(at + name, `is no ${f.type}`);
        else if (f.type === "block") return [name, v.map((b, i) => fill(f.fields, b, `${at}${name}.${i}.`))];
        if (f.type === "duration") v = milliseconds(v);
        if (v < f.min) wrong(at + name, `is ${v} and must be at least ${f.min}`);
        if (v > f.max) wrong(at + name, `is ${v} and must be at most ${f.max}`);
        return [name, v];
      }),
    );
  };
  const config = fill(plugin.config ?? {}, JSON.parse(r.configJson.toString() || "{}"), "");
  if (errors.length === 0) {
    for (const [at, message] of Object.entries(plugin.validate?.(config) ?? {})) wrong(at, message);
  }
  if (errors.length > 0 || r.checkOnly) return { errors };
  state.config = config;
  if (r.upstreamSocket) state.upstream = new contract.Upstream("unix:" + r.upstreamSocket, grpc.credentials.createInsecure());
  return {};
}

const isText = (v) => typeof v === "string";
const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);

// types say whether a value of the config is one.
const types = {
  string: isText, label: isText, bool: (v) => typeof v === "boolean",
  int: Number.isInteger, size: Number.isInteger, float: Number.isFinite,
  duration: (v) => isText(v) && /^([+-]?([\d.]+(h|m|s|ms|us|µs|ns))+|0)$/.test(v),
  list: (v) => Array.isArray(v) && v.every(isText), map: (v) => isObject(v) && Object.values(v).every(isText),
  block: (v) => Array.isArray(v) && v.every(isObject),
};

// milliseconds of a duration such as "1m30.5s".
function milliseconds(text) {
  const units = { h: 3600e3, m: 60e3, s: 1e3, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };
  return [...String(text).matchAll(/([\d.]+)([a-zµ]+)/g)].reduce((sum, [, n, unit]) => sum + n * units[unit], 0);
}

// selector puts together what the wire sends in two parts: what does not change
// between requests, once a generation, and how the candidates do now.
function selector(plugin, state) {
  const generations = new Map(); // the two newest
  return {
    Learn: answer((r) => {
      const candidates = r.candidates.map((c, ref) => ({
        ...c, ref, channel: r.channels[c.channel], contextTokens: Number(c.contextTokens), weight: c.weight,
      }));
      generations.delete(r.generation);
      generations.set(r.generation, candidates);
      if (generations.size > 2) generations.delete(generations.keys().next().value);
      return {};
    }),
    Select: answer(async (r) => {
      const known = generations.get(r.generation);
      if (!known) throw failure("FAILED_PRECONDITION", `generation ${r.generation} was not learned`);
      const candidates = r.candidates.map((l) => ({
        ...known[l.ref], fallback: l.fallback, health: l.health.replace("HEALTH_", "").toLowerCase(),
        ttft: l.ttft ? seconds(l.ttft) * 1e3 : 0, errorRate: l.errorRate, inFlight: l.inFlight,
      }));
      const q = r.request ?? {};
      const request = { ...q, size: Number(q.size), tokens: Number(q.tokens), now: q.now ? new Date(seconds(q.now) * 1e3) : null };
      return plan(await plugin.select(request, candidates, state.config));
    }, state),
  };
}

const seconds = (t) => Number(t.seconds) + t.nanos / 1e9;

// plan is a list of tiers, or { tiers, lease: { fresh, stale } } in seconds.
function plan(p) {
  const tiers = (Array.isArray(p) ? p : p.tiers).filter((t) => t.picks.length > 0);
  if (tiers.length === 0) throw new Error("no candidate fits");
  return { tiers, lease: lease(p.lease) };
}

const lease = (l) => l && { fresh: { seconds: l.fresh }, stale: { seconds: l.stale ?? 0 } };

function prechecker(plugin, state) {
  return {
    Check: answer(async (r, call) => {
      const ask = (q = {}) =>
        new Promise((resolve, reject) => {
          const request = { method: "GET", endpoint: "models", ...q, channel: r.channel.name };
          const asked = state.upstream.Do(request, { deadline: call.getDeadline() }, (err, resp) =>
            err ? reject(err) : resolve({ ...resp, latency: seconds(resp.latency) * 1e3 }),
          );
          call.on("cancelled", () => asked.cancel()); // nobody waits for it any more
        });
      const a = await plugin.check(r.channel, r.model, ask, state.config);
      return { ...a, lease: lease(a.lease) };
    }, state),
  };
}

// answer makes a handler of a function. What it throws is the call's error,
// and no other call's.
function answer(method, state) {
  return async (call, done) => {
    try {
      if (state && !state.config) throw failure("FAILED_PRECONDITION", "the plugin is not configured yet");
      done(null, await method(call.request, call));
    } catch (err) {
      done({ code: err.code ?? grpc.status.UNKNOWN, details: err.details ?? err.message });
    }
  };
}

const failure = (code, message) => Object.assign(new Error(message), { code: grpc.status[code] });

// raw is a service of one method whose messages are left as bytes.
function raw(methodPath) {
  const same = (b) => b;
  return {
    call: {
      path: methodPath, requestStream: false, responseStream: false, requestSerialize: same,
      requestDeserialize: same, responseSerialize: same, responseDeserialize: same,
    },
  };
}

// watchLifeline ends the process, and what it started, when the router is gone:
// the router alone holds the other end of the pipe. It is read by cat, which ends
// with it: a thread of Node's that reads would hold up the end of this process,
// and a socket of Node's would change the pipe for the other plugins, which share
// this end.
function watchLifeline() {
  const fd = Number(process.env.SMARTROUTER_LIFELINE_FD);
  if (!fd) return;
  lifeline = spawn("cat", { stdio: [fd, "ignore", "ignore"] });
  lifeline.on("error", (err) => log.error("cannot watch the router", { err: err.message }));
  lifeline.on("exit", () => {
    try {
      process.kill(-process.pid, "SIGKILL");
    } finally {
      process.exit(1);
    }
  });
}
