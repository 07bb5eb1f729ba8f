// Files and batches by the official SDK: https://github.com/openai/openai-node
//
// Not every endpoint has them, so this is no part of npm test: node --test batches.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI, { toFile } from 'openai';
import { apiKey, baseURL, caught, collect, models } from './setup.mjs';

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const line = (id, model = models.chat) =>
  JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/chat/completions', body: { model, messages: [{ role: 'user', content: `hello ${id}` }] } });
const read = async (id) => (await (await client.files.content(id)).text()).trimEnd().split('\n').map((l) => JSON.parse(l));

test('a file', async () => {
  const file = await client.files.create({ file: await toFile(Buffer.from(line('a')), 'été.jsonl'), purpose: 'batch', expires_after: { anchor: 'created_at', seconds: 3600 } });
  assert.equal(file.object, 'file');
  assert.equal(file.filename, 'été.jsonl');
  assert.equal(file.expires_at - file.created_at, 3600);
  assert.deepEqual(await client.files.retrieve(file.id), file);
  assert.ok((await collect(client.files.list({ purpose: 'batch', limit: 1 }))).some((f) => f.id === file.id));
  assert.equal((await client.files.delete(file.id)).deleted, true);
  assert.ok((await caught(client.files.retrieve(file.id))) instanceof OpenAI.NotFoundError);
});

test('a batch', async () => {
  const ids = ['a', 'b', 'c'];
  const file = await client.files.create({ file: await toFile(Buffer.from([...ids.map((id) => line(id)), line('bad', models.missing)].join('\n')), 'in.jsonl'), purpose: 'batch' });
  let batch = await client.batches.create({ input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h', metadata: { a: 'b' } });
  assert.equal(batch.object, 'batch');
  assert.deepEqual(batch.metadata, { a: 'b' });
  while (!['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) {
    await sleep(20);
    batch = await client.batches.retrieve(batch.id);
  }
  assert.equal(batch.status, 'completed');
  assert.deepEqual(batch.request_counts, { total: 4, completed: 3, failed: 1 });
  const out = await read(batch.output_file_id);
  assert.deepEqual(out.map((l) => l.custom_id), ids);
  assert.ok(out.every((l) => l.error === null && l.response.status_code === 200 && l.response.body.choices[0].message.content.includes(`hello ${l.custom_id}`)));
  const [bad] = await read(batch.error_file_id);
  assert.equal(bad.custom_id, 'bad');
  assert.equal(bad.response.status_code, 404);
  assert.equal(bad.response.body.error.code, 'model_not_found');
  assert.ok((await collect(client.batches.list({ limit: 1 }))).some((b) => b.id === batch.id));
  assert.ok((await caught(client.batches.cancel(batch.id))) instanceof OpenAI.BadRequestError);
});
