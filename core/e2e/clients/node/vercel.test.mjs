// The Vercel AI SDK: https://ai-sdk.dev/providers/openai-compatible-providers
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embedMany, generateImage, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { apiKey, baseURL, caught, collect, models, pixel, soon } from './setup.mjs';

const connect = (key) => createOpenAICompatible({ name: 'router', baseURL, apiKey: key, includeUsage: true, supportsStructuredOutputs: true });
const provider = connect(apiKey);
const model = provider(models.chat);
const maxRetries = 0;
const weather = tool({ description: 'weather', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });

describe('ai', { concurrency: true }, () => {
  test('text', async () => {
    const answer = await generateText({ model, prompt: 'hello there', maxRetries });
    assert.match(answer.text, /hello there/);
    assert.equal(answer.finishReason, 'stop');
    assert.ok(answer.usage.totalTokens > 0);
    assert.equal(answer.response.modelId, models.chat);
  });

  test('stream', async () => {
    const answer = streamText({ model, prompt: 'hello there', maxRetries });
    const pieces = await collect(answer.textStream);
    assert.ok(pieces.length > 2);
    assert.match(pieces.join(''), /hello there/);
    assert.equal(await answer.finishReason, 'stop');
    assert.ok((await answer.usage).totalTokens > 0);
  });

  test('tools', async () => {
    const answer = await generateText({ model, prompt: 'weather?', tools: { weather }, stopWhen: stepCountIs(3), maxRetries });
    assert.equal(answer.steps[0].toolCalls[0].toolName, 'weather');
    assert.match(answer.text, /sunny in city/);
  });

  test('tools, streamed', async () => {
    const answer = streamText({ model, prompt: 'weather?', tools: { weather, again: weather }, stopWhen: stepCountIs(3), maxRetries });
    const parts = await collect(answer.fullStream);
    assert.ok(parts.filter((p) => p.type === 'tool-input-delta').length > 2);
    assert.equal(parts.filter((p) => p.type === 'tool-result').length, 2);
    assert.match(await answer.text, /sunny in city/);
  });

  test('JSON schema', async () => {
    const output = Output.object({ schema: z.object({ name: z.string(), people: z.number() }) });
    const answer = await generateText({ model, prompt: 'a city', output, maxRetries });
    assert.deepEqual(Object.keys(answer.output), ['name', 'people']);
    const streamed = streamText({ model, prompt: 'a city', output, maxRetries });
    assert.deepEqual((await collect(streamed.partialOutputStream)).at(-1), answer.output);
  });

  test('vision', async () => {
    const content = [{ type: 'text', text: 'what?' }, { type: 'image', image: pixel }];
    const answer = await generateText({ model, messages: [{ role: 'user', content }], maxRetries });
    assert.match(answer.text, /1 image/);
  });

  test('embeddings', async () => {
    const { embeddings } = await embedMany({ model: provider.embeddingModel(models.embedding), values: ['one', 'two'], maxRetries });
    assert.equal(embeddings.length, 2);
    assert.ok(embeddings[0].every(Number.isFinite));
    assert.notDeepEqual(embeddings[0], embeddings[1]);
  });

  test('image', async () => {
    const { image } = await generateImage({ model: provider.imageModel(models.image), prompt: 'a wall', maxRetries });
    assert.equal(Buffer.from(image.uint8Array).subarray(1, 4).toString(), 'PNG');
  });

  test('unknown fields, both ways', async () => {
    const answer = await generateText({ model, prompt: 'hello', providerOptions: { router: { xUnknown: [1, 'a'] } }, maxRetries });
    assert.deepEqual(answer.response.body.x_echo, { xUnknown: [1, 'a'] });
    assert.ok(answer.response.headers['x-request-id']);
  });

  test('errors', async () => {
    const failed = async (model) => {
      const error = await caught(generateText({ model, prompt: 'hello', maxRetries }));
      assert.ok(APICallError.isInstance(error), String(error));
      assert.ok(error.data.error.message);
      return [error.statusCode, error.isRetryable];
    };
    assert.deepEqual(await failed(connect('sk-wrong-key')(models.chat)), [401, false]);
    assert.deepEqual(await failed(provider(models.missing)), [404, false]);
    for (const [status, name] of Object.entries(models.failing)) {
      const retryable = ['408', '409', '429'].includes(status) || status >= 500;
      assert.deepEqual(await failed(provider(name)), [Number(status), retryable]);
    }
  });

  test('abort', async () => {
    const early = await soon(caught(generateText({ model: provider(models.silent), prompt: 'x', abortSignal: AbortSignal.timeout(200), maxRetries })));
    assert.ok(['TimeoutError', 'AbortError'].includes(early.name), String(early));
    const leave = new AbortController();
    const answer = streamText({ model: provider(models.stalling), prompt: 'hello there', abortSignal: leave.signal, maxRetries });
    const types = [];
    const reading = (async () => {
      for await (const part of answer.fullStream) {
        types.push(part.type);
        if (part.type === 'text-delta') setTimeout(() => leave.abort(), 50);
      }
    })();
    await soon(reading);
    assert.ok(types.includes('text-delta') && types.includes('abort'), types.join());
  });
});
