// OpenAI's SDK, and the Vercel AI SDK, to providers of other formats: TARGETS names a model for each, whether it
// signs its thoughts, a field that it leaves out, and whether it gives several answers.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI from 'openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';
import { apiKey, baseURL, caught, clock, collect, pixel, weather } from './setup.mjs';

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const tools = [weather, clock].map((f) => ({ type: 'function', function: f }));

for (const [format, { model, signs, drops, several }] of Object.entries(JSON.parse(process.env.TARGETS ?? '{}'))) {
  const ask = (text, more = {}) => ({ model, messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: text }], ...more });

  describe(`openai to ${format}`, { concurrency: true }, () => {
    test('whole', async () => {
      const answer = await client.chat.completions.create(ask('hello there', { temperature: 0.5, user: 'u' }));
      assert.equal(answer.object, 'chat.completion');
      assert.match(answer.choices[0].message.content, /hello there/);
      assert.equal(answer.choices[0].finish_reason, 'stop');
      assert.ok(answer.created > 0);
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    });

    test('stream, with its usage only where that is asked for', async () => {
      const chunks = await collect(await client.chat.completions.create(ask('hello there', { stream: true })));
      assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
      assert.ok(chunks.every((c) => c.choices.length === 1 && !c.usage));
      assert.match(chunks.map((c) => c.choices[0].delta.content ?? '').join(''), /hello there/);
      assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
      const counted = await collect(await client.chat.completions.create(ask('hello', { stream: true, stream_options: { include_usage: true } })));
      assert.ok(counted.at(-1).usage.total_tokens > 0);
    });

    test('parallel tools, streamed, and their results', async () => {
      const stream = client.chat.completions.stream(ask('weather and time?', { tools }));
      const answer = await stream.finalChatCompletion();
      const calls = answer.choices[0].message.tool_calls;
      assert.deepEqual(calls.map((c) => c.function.name), ['get_weather', 'get_time']);
      assert.equal(typeof JSON.parse(calls[0].function.arguments).city, 'string');
      const messages = [
        ...ask('weather and time?').messages,
        answer.choices[0].message,
        ...calls.map((c, i) => ({ role: 'tool', tool_call_id: c.id, content: i ? 'noon' : 'sunny' })),
      ];
      const second = await client.chat.completions.create({ model, messages, tools });
      assert.match(second.choices[0].message.content, /sunny; noon/);
    });

    test('an image and a schema', async () => {
      const seen = await client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: [{ type: 'text', text: 'what?' }, { type: 'image_url', image_url: { url: pixel } }] }],
      });
      assert.match(seen.choices[0].message.content, /1 image/);
      const format = { type: 'json_schema', json_schema: { name: 'city', strict: true, schema: weather.parameters } };
      const answer = await client.chat.completions.create(ask('a city', { response_format: format }));
      assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)).sort(), ['city', 'days']);
    });

    test('reasoning', async () => {
      const answer = await client.chat.completions.create(ask('think', { reasoning_effort: 'high' }));
      const said = answer.choices[0].message;
      assert.ok(said.reasoning_content.length > 0);
      if (signs) assert.ok(said.reasoning_details[0].signature.length > 0);
      const again = await client.chat.completions.create({ model, reasoning_effort: 'high', messages: [...ask('think').messages, said, { role: 'user', content: 'more' }] });
      assert.match(again.choices[0].message.content, /more/);
    });

    test('what the target can not do', async () => {
      const { data, response } = await client.chat.completions.create(ask('hello', { [drops]: drops === 'seed' ? 7 : { 1: 2 } })).withResponse();
      assert.match(data.choices[0].message.content, /hello/);
      assert.match(response.headers.get('warning'), new RegExp(drops));
      if (several) {
        const { choices } = await client.chat.completions.create(ask('hello', { n: 2 }));
        assert.deepEqual(choices.map((c) => c.index), [0, 1]);
        return;
      }
      const error = await caught(client.chat.completions.create(ask('hello', { n: 2 })));
      assert.ok(error instanceof OpenAI.BadRequestError, String(error));
      assert.equal(error.param, 'n');
    });

    test('ai', async () => {
      const provider = createOpenAICompatible({ name: 'router', baseURL, apiKey });
      const tells = tool({ description: 'weather', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });
      const answer = await generateText({ model: provider(model), prompt: 'weather?', tools: { tells }, stopWhen: stepCountIs(3), maxRetries: 0 });
      assert.match(answer.text, /sunny in/);
    });
  });
}
