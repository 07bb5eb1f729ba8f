// Anthropic's SDK, and the Vercel AI SDK with its provider, against any endpoint of Anthropic's: TARGETS names a model for
// each format that the endpoint has behind it, FAILING holds for an error status the model that answers with it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { createAnthropic } from '@ai-sdk/anthropic';
import { Output, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { apiKey, baseURL, caught, clock, collect, models, pixel, weather } from './setup.mjs';

const client = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ''), apiKey, maxRetries: 0 });
const targets = JSON.parse(process.env.TARGETS ?? '{}');
const tools = [weather, clock].map(({ name, description, parameters }) => ({ name, description, input_schema: parameters }));
const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel.split(',')[1] } };

for (const [format, model] of Object.entries(targets)) {
  const ask = (content, more = {}) => ({ model, max_tokens: 200, messages: [{ role: 'user', content }], ...more });

  describe(`@anthropic-ai/sdk to ${format}`, { concurrency: true }, () => {
    test('whole', async () => {
      const answer = await client.messages.create(ask('hello there', { system: 'Be kind.', stop_sequences: ['never'] }));
      assert.equal(answer.type, 'message');
      assert.equal(answer.role, 'assistant');
      assert.match(answer.id, /^msg_/);
      assert.match(answer.content[0].text, /hello there/);
      assert.equal(answer.stop_reason, 'end_turn');
      assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    });

    test('stream helper', async () => {
      const stream = client.messages.stream(ask('hello there'));
      let said = '';
      stream.on('text', (piece) => (said += piece));
      const answer = await stream.finalMessage();
      assert.match(said, /hello there/);
      assert.equal(answer.content[0].text, said);
      assert.equal(answer.stop_reason, 'end_turn');
      assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    });

    test('events in their order', async () => {
      const events = await collect(await client.messages.create(ask('hello there', { stream: true })));
      const kinds = events.map((e) => e.type);
      assert.equal(kinds[0], 'message_start');
      assert.equal(kinds[1], 'content_block_start');
      assert.deepEqual(kinds.slice(-3), ['content_block_stop', 'message_delta', 'message_stop']);
      assert.ok(kinds.filter((k) => k === 'content_block_delta').length > 2, 'one event for each word');
    });

    test('limit', async () => {
      const answer = await client.messages.create({ ...ask('one two three'), max_tokens: 1 });
      assert.equal(answer.stop_reason, 'max_tokens');
    });

    test('parallel tools, and their results', async () => {
      const first = ask('weather and time?', { tools });
      const answer = await client.messages.create(first);
      assert.equal(answer.stop_reason, 'tool_use');
      const calls = answer.content.filter((b) => b.type === 'tool_use');
      assert.deepEqual(calls.map((c) => c.name), ['get_weather', 'get_time']);
      assert.equal(typeof calls[0].input.city, 'string');
      const results = calls.map((c, i) => ({ type: 'tool_result', tool_use_id: c.id, content: i ? [{ type: 'text', text: 'noon' }] : 'sunny' }));
      const second = await client.messages.create({
        ...first,
        messages: [...first.messages, { role: 'assistant', content: answer.content }, { role: 'user', content: results }],
      });
      assert.match(second.content[0].text, /sunny; noon/);
    });

    test('tools, streamed with partial JSON', async () => {
      const stream = client.messages.stream(ask('weather and time?', { tools, tool_choice: { type: 'any' } }));
      let pieces = 0;
      stream.on('inputJson', () => pieces++);
      const answer = await stream.finalMessage();
      assert.ok(pieces >= 2); // Ollama gives each call whole
      const calls = answer.content.filter((b) => b.type === 'tool_use');
      assert.deepEqual(calls.map((c) => c.name), ['get_weather', 'get_time']);
      assert.equal(typeof calls[0].input.city, 'string');
      assert.equal(answer.stop_reason, 'tool_use');
    });

    test('one tool at a time, and one by name', async () => {
      const one = await client.messages.create(ask('?', { tools, tool_choice: { type: 'auto', disable_parallel_tool_use: true } }));
      assert.equal(one.content.filter((b) => b.type === 'tool_use').length, 1);
      const named = await client.messages.create(ask('?', { tools, tool_choice: { type: 'tool', name: 'get_time' } }));
      assert.deepEqual(named.content.filter((b) => b.type === 'tool_use').map((b) => b.name), ['get_time']);
    });

    test('an image', async () => {
      const answer = await client.messages.create(ask([{ type: 'text', text: 'what?' }, image]));
      assert.match(answer.content[0].text, /1 image/);
    });

    test('a schema', async () => {
      const format = { type: 'json_schema', schema: weather.parameters };
      const answer = await client.messages.create(ask('a city', { output_config: { format } }));
      assert.deepEqual(Object.keys(JSON.parse(answer.content[0].text)).sort(), ['city', 'days']);
    });

    test('thinking does no harm', async () => {
      const answer = await client.messages.create({ ...ask('think'), max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2000 } });
      assert.match(answer.content.at(-1).text, /think/);
    });

    test('how long a prompt is', async () => {
      const { input_tokens } = await client.messages.countTokens({ model, messages: [{ role: 'user', content: 'hello there' }] });
      assert.ok(input_tokens > 0);
    });
  });

  const provider = createAnthropic({ baseURL, apiKey });
  const tells = tool({ description: 'weather', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });
  describe(`ai to ${format}`, { concurrency: true }, () => {
    test('text, whole and streamed', async () => {
      const answer = await generateText({ model: provider(model), prompt: 'hello there', maxRetries: 0 });
      assert.match(answer.text, /hello there/);
      assert.equal(answer.finishReason, 'stop');
      const streamed = streamText({ model: provider(model), prompt: 'hello there', maxRetries: 0 });
      assert.match((await collect(streamed.textStream)).join(''), /hello there/);
      assert.ok((await streamed.usage).totalTokens > 0);
    });

    test('tools in a loop', async () => {
      const answer = await generateText({ model: provider(model), prompt: 'weather?', tools: { tells }, stopWhen: stepCountIs(3), maxRetries: 0 });
      assert.equal(answer.steps[0].toolCalls[0].toolName, 'tells');
      assert.match(answer.text, /sunny in/);
    });

    test('an object', async () => {
      const output = Output.object({ schema: z.object({ name: z.string(), people: z.number() }) });
      const answer = await generateText({ model: provider(model), prompt: 'a city', output, maxRetries: 0 });
      assert.deepEqual(Object.keys(answer.output).sort(), ['name', 'people']);
    });
  });
}

const classes = { 400: 'BadRequestError', 403: 'PermissionDeniedError', 409: 'ConflictError', 422: 'UnprocessableEntityError', 429: 'RateLimitError' };

describe('errors', { concurrency: true }, () => {
  for (const [status, name] of Object.entries(classes)) {
    const model = JSON.parse(process.env.FAILING ?? '{}')[status];
    test(`${status} is a ${name}`, { skip: !model }, async () => {
      const error = await caught(client.messages.create({ model, max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }));
      assert.equal(error.constructor.name, name);
      assert.equal(error.error.type, 'error');
      assert.ok(error.apiMessage.length > 0);
    });
  }

  test('a model that nobody has', async () => {
    const error = await caught(client.messages.create({ model: models.missing, max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }));
    assert.ok(error instanceof Anthropic.NotFoundError, String(error));
    assert.equal(error.type, 'not_found_error');
  });

  test('a wrong key', async () => {
    const other = new Anthropic({ baseURL: baseURL.replace(/\/v1$/, ''), apiKey: 'sk-wrong', maxRetries: 0 });
    const error = await caught(other.messages.create({ model: models.missing, max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }));
    assert.ok(error instanceof Anthropic.AuthenticationError, String(error));
  });
});
