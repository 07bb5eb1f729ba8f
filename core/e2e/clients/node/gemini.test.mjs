// Google's SDK, and the Vercel AI SDK with its provider, against any endpoint of Gemini's: TARGETS names a model for each
// format that the endpoint has behind it, FAILING holds for an error status the model that answers with it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { APICallError, Output, embed, embedMany, generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';
import { apiKey, baseURL, caught, clock, collect, models, pixel, weather } from './setup.mjs';

const root = baseURL.replace(/\/v1$/, '');
const connect = (key, apiVersion = 'v1beta') => new GoogleGenAI({ apiKey: key, apiVersion, httpOptions: { baseUrl: root } });
const client = connect(apiKey);
const targets = JSON.parse(process.env.TARGETS ?? '{}');
const functionDeclarations = [weather, clock].map(({ name, description = name, parameters }) => ({ name, description, parametersJsonSchema: parameters }));
const tools = [{ functionDeclarations }];

for (const [format, model] of Object.entries(targets)) {
  const ask = (contents, config = {}) => ({ model, contents, config: { maxOutputTokens: 2000, ...config } });

  describe(`@google/genai to ${format}`, { concurrency: true }, () => {
    test('whole', async () => {
      const answer = await client.models.generateContent(ask('hello there', { systemInstruction: 'Be kind.', temperature: 0.5 }));
      assert.match(answer.text, /hello there/);
      assert.equal(answer.candidates[0].content.role, 'model');
      assert.equal(answer.candidates[0].finishReason, 'STOP');
      assert.ok(answer.responseId.length > 0 && answer.modelVersion.length > 0);
      const { promptTokenCount, candidatesTokenCount, totalTokenCount } = answer.usageMetadata;
      assert.ok(promptTokenCount > 0 && candidatesTokenCount > 0 && totalTokenCount >= promptTokenCount + candidatesTokenCount);
    });

    test('at v1', async () => {
      const answer = await connect(apiKey, 'v1').models.generateContent(ask('hello there'));
      assert.match(answer.text, /hello there/);
    });

    test('stream', async () => {
      const chunks = await collect(await client.models.generateContentStream(ask('hello there')));
      assert.ok(chunks.length > 2, 'one event for each word');
      assert.match(chunks.map((c) => c.text ?? '').join(''), /hello there/);
      assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
      assert.ok(chunks.at(-1).usageMetadata.totalTokenCount > 0);
    });

    test('a chat', async () => {
      const chat = client.chats.create({ model, config: { maxOutputTokens: 2000 } });
      await chat.sendMessage({ message: 'hello there' });
      const answer = await chat.sendMessage({ message: 'and then?' });
      assert.match(answer.text, /and then/);
      assert.equal(chat.getHistory().length, 4);
    });

    test('limit', async () => {
      const answer = await client.models.generateContent(ask('one two three', { maxOutputTokens: 1 }));
      assert.equal(answer.candidates[0].finishReason, 'MAX_TOKENS');
    });

    for (const streamed of [false, true]) {
      test(`parallel tools and their results, streamed: ${streamed}`, async () => {
        const first = ask([{ role: 'user', parts: [{ text: 'weather and time?' }] }], { tools });
        let parts;
        if (streamed) {
          parts = (await collect(await client.models.generateContentStream(first))).flatMap((c) => c.candidates?.[0]?.content?.parts ?? []);
        } else {
          parts = (await client.models.generateContent(first)).candidates[0].content.parts;
        }
        const calls = parts.filter((p) => p.functionCall).map((p) => p.functionCall);
        assert.deepEqual(calls.map((c) => c.name), ['get_weather', 'get_time']);
        assert.equal(typeof calls[0].args.city, 'string');
        const results = calls.map(({ id, name }, i) => ({ functionResponse: { id, name, response: { output: i ? 'noon' : 'sunny' } } }));
        const second = await client.models.generateContent({
          ...first,
          contents: [...first.contents, { role: 'model', parts }, { role: 'user', parts: results }],
        });
        assert.match(second.text, /sunny; noon/);
      });
    }

    test('one tool by name', async () => {
      const functionCallingConfig = { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['get_time'] };
      const answer = await client.models.generateContent(ask('?', { tools, toolConfig: { functionCallingConfig } }));
      assert.deepEqual(answer.functionCalls.map((c) => c.name), ['get_time']);
    });

    test('an image', async () => {
      const answer = await client.models.generateContent(ask([{ text: 'what?' }, { inlineData: { mimeType: 'image/png', data: pixel.split(',')[1] } }]));
      assert.match(answer.text, /1 image/);
    });

    test('a schema', async () => {
      const answer = await client.models.generateContent(ask('a city', { responseMimeType: 'application/json', responseJsonSchema: weather.parameters }));
      assert.deepEqual(Object.keys(JSON.parse(answer.text)).sort(), ['city', 'days']);
    });

    test('thinking does no harm', async () => {
      const answer = await client.models.generateContent(ask('think', { maxOutputTokens: 4000, thinkingConfig: { includeThoughts: true, thinkingLevel: 'LOW' } }));
      assert.match(answer.text, /think/);
    });

    test('how long a prompt is', async () => {
      const { totalTokens } = await client.models.countTokens({ model, contents: 'hello there' });
      assert.ok(totalTokens > 0);
    });
  });

  const provider = createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey });
  const tells = tool({ description: 'weather', inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `sunny in ${city}` });
  describe(`ai to ${format}`, { concurrency: true }, () => {
    test('text, whole and streamed', async () => {
      const answer = await generateText({ model: provider(model), prompt: 'hello there', maxRetries: 0 });
      assert.match(answer.text, /hello there/);
      assert.equal(answer.finishReason, 'stop');
      const streamed = streamText({ model: provider(model), prompt: 'hello there', maxRetries: 0 });
      assert.match((await collect(streamed.textStream)).join(''), /hello there/);
      assert.equal(await streamed.finishReason, 'stop');
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

// Not every format has embeddings.
describe('embeddings', { concurrency: true }, () => {
  for (const format of ['OpenAI', 'Gemini']) {
    const model = targets[format];
    test(`to ${format}`, { skip: !model }, async () => {
      const { embeddings } = await client.models.embedContent({ model, contents: ['one', 'two'], config: { outputDimensionality: 8 } });
      assert.deepEqual(embeddings.map((e) => e.values.length), [8, 8]);
      const provider = createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey });
      const { embedding } = await embed({ model: provider.embedding(model), value: 'one', maxRetries: 0 });
      assert.ok(embedding.length > 8);
      const many = await embedMany({ model: provider.embedding(model), values: ['one', 'two'], maxRetries: 0 });
      assert.deepEqual(many.embeddings[0], embedding);
    });
  }
});

const codes = { 400: 'INVALID_ARGUMENT', 409: 'ABORTED', 422: 'INVALID_ARGUMENT', 429: 'RESOURCE_EXHAUSTED' };

describe('errors', { concurrency: true }, () => {
  for (const [status, code] of Object.entries(codes)) {
    const model = JSON.parse(process.env.FAILING ?? '{}')[status];
    test(`${status} is ${code}`, { skip: !model }, async () => {
      for (const method of ['generateContent', 'generateContentStream']) {
        const error = await caught(client.models[method]({ model, contents: 'x' }));
        assert.ok(error instanceof ApiError, String(error));
        assert.equal(error.status, Number(status));
        assert.equal(JSON.parse(error.message).error.status, code);
      }
    });
  }

  test('a model that nobody has', async () => {
    const error = await caught(client.models.generateContent({ model: models.missing, contents: 'x' }));
    assert.equal(error.status, 404);
    const provider = createGoogleGenerativeAI({ baseURL: `${root}/v1beta`, apiKey });
    const other = await caught(generateText({ model: provider(models.missing), prompt: 'x', maxRetries: 0 }));
    assert.ok(other instanceof APICallError, String(other));
    assert.equal(other.statusCode, 404);
    assert.equal(other.data.error.status, 'NOT_FOUND');
  });

  test('a wrong key', async () => {
    const error = await caught(connect('sk-wrong').models.generateContent({ model: models.missing, contents: 'x' }));
    assert.equal(error.status, 401);
  });

  test('the list of models', async () => {
    const names = (await collect(await client.models.list())).map((m) => m.name);
    for (const model of Object.values(targets)) assert.ok(names.includes(`models/${model}`), names.join());
    const [first] = Object.values(targets);
    if (first) assert.equal((await client.models.get({ model: first })).name, `models/${first}`);
  });
});
