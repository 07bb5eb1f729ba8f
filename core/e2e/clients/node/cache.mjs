// The official SDK against an answer cache: what was answered whole is read as a stream, and the other way round.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { apiKey, baseURL, clock, collect, models, weather } from './setup.mjs';

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const tools = [weather, clock].map((f) => ({ type: 'function', function: f }));
const streamed = { stream: true, stream_options: { include_usage: true } };

for (const question of [
  { model: models.chat, messages: [{ role: 'user', content: 'from a whole answer: “quotes” \u{1f600}\n\\' }] },
  { model: models.chat, messages: [{ role: 'user', content: 'weather and time?' }], tools },
]) {
  const whole = await client.chat.completions.create(question);
  const stream = client.chat.completions.stream({ ...question, ...streamed });
  const again = await stream.finalChatCompletion();
  assert.equal(again.id, whole.id, 'a new answer');
  assert.equal(again.choices[0].message.content, whole.choices[0].message.content);
  assert.deepEqual(
    again.choices[0].message.tool_calls?.map(({ id, type, function: { name, arguments: args } }) => ({ id, type, function: { name, arguments: args } })),
    whole.choices[0].message.tool_calls,
  );
  assert.equal(again.choices[0].finish_reason, whole.choices[0].finish_reason);
  assert.deepEqual(again.usage, whole.usage);
}

const question = { model: models.chat, messages: [{ role: 'user', content: 'from a stream' }] };
const chunks = await collect(await client.chat.completions.create({ ...question, ...streamed }));
const { data: whole, response } = await client.chat.completions.create(question).withResponse();
assert.equal(response.headers.get('x-cache'), 'hit');
assert.equal(whole.id, chunks[0].id);
assert.equal(whole.object, 'chat.completion');
assert.equal(whole.choices[0].message.content, chunks.map((c) => c.choices[0]?.delta.content ?? '').join(''));
assert.deepEqual(whole.usage, chunks.at(-1).usage);
const plain = await collect(await client.chat.completions.create({ ...question, stream: true }));
assert.ok(plain.every((c) => c.choices.length === 1), 'a usage that nobody asked for');
