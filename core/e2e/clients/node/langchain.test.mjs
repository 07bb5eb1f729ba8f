// LangChain.js: https://docs.langchain.com/oss/javascript/integrations/chat/openai
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai';
import { z } from 'zod';
import { apiKey, baseURL, caught, collect, models, pixel, soon } from './setup.mjs';

const connect = (more = {}) => new ChatOpenAI({ model: models.chat, apiKey, maxRetries: 0, configuration: { baseURL }, ...more });
const chat = connect();
const weather = tool(async ({ city }) => `sunny in ${city}`, { name: 'get_weather', description: 'weather', schema: z.object({ city: z.string() }) });

describe('langchain', { concurrency: true }, () => {
  test('invoke', async () => {
    const answer = await chat.invoke('hello there');
    assert.match(answer.text, /hello there/);
    assert.equal(answer.response_metadata.finish_reason, 'stop');
    assert.ok(answer.usage_metadata.total_tokens > 0);
  });

  test('stream', async () => {
    const chunks = await collect(await chat.stream('hello there'));
    assert.ok(chunks.length > 3);
    const answer = chunks.reduce((all, chunk) => all.concat(chunk));
    assert.match(answer.text, /hello there/);
    assert.ok(answer.usage_metadata.total_tokens > 0, 'usage is asked for, and comes');
  });

  test('batch', async () => {
    const answers = await chat.batch(['one', 'two', 'three']);
    assert.deepEqual(answers.map((a) => a.text.split(' ').at(-1)), ['one', 'two', 'three']);
  });

  test('tools', async () => {
    const bound = chat.bindTools([weather]);
    const question = new HumanMessage('weather?');
    const asked = await bound.invoke([question]);
    assert.deepEqual(asked.tool_calls.map((c) => [c.name, c.args]), [['get_weather', { city: 'city' }]]);
    const result = await weather.invoke(asked.tool_calls[0]);
    assert.ok(ToolMessage.isInstance(result));
    assert.match((await bound.invoke([question, asked, result])).text, /sunny in city/);
  });

  test('tools, streamed', async () => {
    const chunks = await collect(await chat.bindTools([weather]).stream('weather?'));
    assert.ok(chunks.filter((c) => c.tool_call_chunks.length > 0).length > 2);
    assert.deepEqual(chunks.reduce((all, chunk) => all.concat(chunk)).tool_calls[0].args, { city: 'city' });
  });

  test('JSON schema', async () => {
    const City = z.object({ name: z.string(), people: z.number() });
    for (const method of ['jsonSchema', 'functionCalling']) {
      const answer = await chat.withStructuredOutput(City, { method, name: 'city' }).invoke('a city');
      assert.deepEqual(City.parse(answer), answer);
    }
  });

  test('vision', async () => {
    const content = [{ type: 'text', text: 'what?' }, { type: 'image_url', image_url: { url: pixel } }];
    assert.match((await chat.invoke([new HumanMessage({ content })])).text, /1 image/);
  });

  test('responses', async () => {
    const over = connect({ useResponsesApi: true });
    assert.match((await over.invoke('hello there')).text, /hello there/);
    const chunks = await collect(await over.stream('hello there'));
    assert.match(chunks.map((c) => c.text).join(''), /hello there/);
  });

  test('embeddings', async () => {
    for (const encodingFormat of ['float', undefined]) {
      const embeddings = new OpenAIEmbeddings({ model: models.embedding, apiKey, maxRetries: 0, dimensions: 8, encodingFormat, configuration: { baseURL } });
      const vectors = await embeddings.embedDocuments(['one', 'two']);
      assert.deepEqual(vectors.map((v) => v.length), [8, 8]);
      const again = await embeddings.embedQuery('two');
      assert.deepEqual(Array.from(again), Array.from(vectors[1]));
    }
  });

  test('unknown fields, both ways', async () => {
    const answer = await connect({ modelKwargs: { x_unknown: { a: 1 } }, __includeRawResponse: true }).invoke('hello');
    assert.deepEqual(answer.additional_kwargs.__raw_response.x_echo, { x_unknown: { a: 1 } });
  });

  test('errors', async () => {
    const failed = async (more) => {
      const error = await caught(connect(more).invoke('hello'));
      return [error.status, error.lc_error_code];
    };
    const codes = { 401: 'MODEL_AUTHENTICATION', 404: 'MODEL_NOT_FOUND', 429: 'MODEL_RATE_LIMIT' };
    assert.deepEqual(await failed({ apiKey: 'sk-wrong-key' }), [401, codes[401]]);
    assert.deepEqual(await failed({ model: models.missing }), [404, codes[404]]);
    for (const [status, model] of Object.entries(models.failing)) {
      assert.deepEqual(await failed({ model }), [Number(status), codes[status]]);
    }
  });

  test('abort', async () => {
    const early = await soon(caught(connect({ model: models.silent }).invoke('x', { signal: AbortSignal.timeout(200) })));
    assert.ok(['TimeoutError', 'AbortError'].includes(early.name), String(early));
    const leave = new AbortController();
    let said = '';
    const reading = (async () => {
      for await (const chunk of await connect({ model: models.stalling }).stream('hello there', { signal: leave.signal })) {
        said += chunk.text;
        if (said) setTimeout(() => leave.abort(), 50);
      }
    })();
    const error = await soon(caught(reading));
    assert.ok(said.length > 0);
    assert.match(`${error.name} ${error.message}`, /abort/i);
  });
});
