// The official SDK: https://github.com/openai/openai-node
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import OpenAI, { toFile } from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { apiKey, baseURL, bytes, caught, clock, collect, models, pixel, soon, weather } from './setup.mjs';

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const ask = (text) => ({ model: models.chat, messages: [{ role: 'user', content: text }] });
const tools = [weather, clock].map((f) => ({ type: 'function', function: f }));
const City = z.object({ name: z.string(), people: z.number(), twins: z.array(z.string()) });

describe('chat', { concurrency: true }, () => {
  test('whole', async () => {
    const answer = await client.chat.completions.create(ask('hello there'));
    assert.equal(answer.object, 'chat.completion');
    assert.equal(answer.model, models.chat);
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.match(answer.choices[0].message.content, /hello there/);
    assert.equal(answer.choices[0].finish_reason, 'stop');
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });

  test('stream', async () => {
    const chunks = await collect(await client.chat.completions.create({ ...ask('hello there'), stream: true }));
    assert.ok(chunks.length > 3, 'one chunk for each word');
    assert.equal(new Set(chunks.map((c) => c.id)).size, 1);
    assert.ok(chunks.every((c) => c.model === models.chat && c.object === 'chat.completion.chunk' && c.choices.length === 1 && !c.usage));
    assert.match(chunks.map((c) => c.choices[0].delta.content ?? '').join(''), /hello there/);
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  });

  test('stream with usage', async () => {
    const chunks = await collect(
      await client.chat.completions.create({ ...ask('hello'), stream: true, stream_options: { include_usage: true } }),
    );
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.ok(chunks.at(-1).usage.total_tokens > 0);
    assert.ok(chunks.slice(0, -1).every((c) => c.usage === null));
  });

  test('stream helper', async () => {
    const stream = client.chat.completions.stream(ask('hello there'));
    let said = '';
    stream.on('content', (delta) => (said += delta));
    const answer = await stream.finalChatCompletion();
    assert.match(said, /hello there/);
    assert.equal(answer.choices[0].message.content, said);
  });

  test('n, stop, limit and log probabilities', async () => {
    const answer = await client.chat.completions.create({ ...ask('one two three'), n: 2, stop: [' three'], logprobs: true, top_logprobs: 1 });
    assert.deepEqual(answer.choices.map((c) => c.index), [0, 1]);
    assert.ok(answer.choices.every((c) => c.message.content.endsWith('one two')));
    assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 1);
    const short = await client.chat.completions.create({ ...ask('one two three'), max_completion_tokens: 1 });
    assert.equal(short.choices[0].finish_reason, 'length');
  });

  test('unusual text arrives as it was', async () => {
    const text = 'quote " backslash \\ tab \t snowman \u2603 emoji \u{1f600} separator \u2028 end';
    const answer = await client.chat.completions.create(ask(text));
    assert.ok(answer.choices[0].message.content.includes(text));
    const chunks = await collect(await client.chat.completions.create({ ...ask(text), stream: true }));
    assert.ok(chunks.map((c) => c.choices[0].delta.content ?? '').join('').includes(text));
  });

  test('vision', async () => {
    const image_url = { url: pixel };
    const content = [{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url }, { type: 'image_url', image_url }];
    const answer = await client.chat.completions.create({ model: models.chat, messages: [{ role: 'user', content }] });
    assert.match(answer.choices[0].message.content, /2 images/);
  });

  test('unknown fields, both ways', async () => {
    const x_unknown = { deep: [1, null, 'a'], big: 12345678901234 };
    const answer = await client.chat.completions.create({ ...ask('hello'), x_unknown });
    assert.deepEqual(answer.x_echo, { x_unknown });
    const chunks = await collect(await client.chat.completions.create({ ...ask('hello'), stream: true, x_unknown }));
    assert.deepEqual(chunks[0].x_echo, { x_unknown });
  });

  test('headers', async () => {
    const { data, response, request_id } = await client.chat.completions.create(ask('hello')).withResponse();
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type'), /^application\/json/);
    assert.ok(request_id);
    assert.equal(data._request_id, request_id);
    const streamed = await client.chat.completions.create({ ...ask('hello'), stream: true }).withResponse();
    assert.match(streamed.response.headers.get('content-type'), /^text\/event-stream/);
    assert.ok(streamed.request_id);
    await collect(streamed.data);
  });
});

describe('tools', { concurrency: true }, () => {
  test('whole, in parallel', async () => {
    const answer = await client.chat.completions.create({ ...ask('weather and time?'), tools });
    const calls = answer.choices[0].message.tool_calls;
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    assert.equal(answer.choices[0].message.content, null);
    assert.deepEqual(calls.map((c) => c.function.name), ['get_weather', 'get_time']);
    assert.equal(typeof JSON.parse(calls[0].function.arguments).city, 'string');
    assert.notEqual(calls[0].id, calls[1].id);
  });

  test('one at a time', async () => {
    const answer = await client.chat.completions.create({ ...ask('weather and time?'), tools, parallel_tool_calls: false });
    assert.equal(answer.choices[0].message.tool_calls.length, 1);
  });

  test('chosen', async () => {
    const tool_choice = { type: 'function', function: { name: 'get_time' } };
    const answer = await client.chat.completions.create({ ...ask('weather and time?'), tools, tool_choice });
    assert.deepEqual(answer.choices[0].message.tool_calls.map((c) => c.function.name), ['get_time']);
  });

  test('streamed', async () => {
    const chunks = await collect(await client.chat.completions.create({ ...ask('weather and time?'), tools, stream: true }));
    const calls = [];
    let pieces = 0;
    for (const delta of chunks.flatMap((c) => c.choices[0].delta.tool_calls ?? [])) {
      calls[delta.index] ??= { arguments: '' };
      if (delta.id) Object.assign(calls[delta.index], { id: delta.id, name: delta.function.name });
      calls[delta.index].arguments += delta.function.arguments;
      pieces++;
    }
    assert.deepEqual(calls.map((c) => c.name), ['get_weather', 'get_time']);
    assert.ok(pieces > 4, 'arguments come in pieces');
    assert.deepEqual(Object.keys(JSON.parse(calls[0].arguments)), ['city', 'days']);
    assert.deepEqual(JSON.parse(calls[1].arguments), { zone: 'utc' });
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls');
  });

  test('runner calls a function and sends what it said', async () => {
    const asked = [];
    const runner = client.chat.completions.runTools({
      ...ask('weather?'),
      stream: true,
      tools: [{ type: 'function', function: { ...weather, parse: JSON.parse, function: (input) => (asked.push(input), 'sunny') } }],
    });
    assert.match(await runner.finalContent(), /sunny/);
    assert.equal(asked.length, 1);
  });
});

describe('JSON', { concurrency: true }, () => {
  test('parse', async () => {
    const answer = await client.chat.completions.parse({ ...ask('a city'), response_format: zodResponseFormat(City, 'city') });
    assert.deepEqual(City.parse(answer.choices[0].message.parsed), answer.choices[0].message.parsed);
  });

  test('parse, streamed', async () => {
    const stream = client.chat.completions.stream({ ...ask('a city'), response_format: zodResponseFormat(City, 'city') });
    const answer = await stream.finalChatCompletion();
    City.parse(answer.choices[0].message.parsed);
  });

  test('any object', async () => {
    const answer = await client.chat.completions.create({ ...ask('as JSON please'), response_format: { type: 'json_object' } });
    assert.equal(typeof JSON.parse(answer.choices[0].message.content), 'object');
  });
});

describe('responses', { concurrency: true }, () => {
  const request = { model: models.chat, input: 'hello there' };

  test('whole, and what follows from it', async () => {
    const first = await client.responses.create({ ...request, x_unknown: 1 });
    assert.match(first.output_text, /hello there/);
    assert.equal(first.status, 'completed');
    assert.deepEqual(first.x_echo, { x_unknown: 1 });
    const next = await client.responses.create({ ...request, previous_response_id: first.id });
    assert.equal(next.previous_response_id, first.id);
    assert.equal((await client.responses.retrieve(first.id)).id, first.id);
    await client.responses.delete(first.id);
    assert.ok((await caught(client.responses.retrieve(first.id))) instanceof OpenAI.NotFoundError);
  });

  test('stream', async () => {
    const events = await collect(await client.responses.create({ ...request, stream: true }));
    assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
    assert.equal(events[0].type, 'response.created');
    assert.equal(events.at(-1).type, 'response.completed');
    const text = events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join('');
    assert.match(text, /hello there/);
    assert.equal(events.at(-1).response.output[0].content[0].text, text);
  });

  test('stream helper', async () => {
    const answer = await client.responses.stream(request).finalResponse();
    assert.match(answer.output_text, /hello there/);
  });

  test('tools, streamed', async () => {
    const flat = [weather, clock].map((f) => ({ type: 'function', strict: true, ...f }));
    const answer = await client.responses.stream({ ...request, tools: flat }).finalResponse();
    assert.deepEqual(answer.output.map((o) => [o.type, o.name]), [['function_call', 'get_weather'], ['function_call', 'get_time']]);
    assert.deepEqual(JSON.parse(answer.output[1].arguments), { zone: 'utc' });
    const input = [{ role: 'user', content: 'time?' }, answer.output[1], { type: 'function_call_output', call_id: answer.output[1].call_id, output: 'noon' }];
    const next = await client.responses.create({ model: models.chat, input, tools: flat });
    assert.match(next.output_text, /noon/);
  });

  test('parse and vision', async () => {
    const answer = await client.responses.parse({ ...request, text: { format: zodTextFormat(City, 'city') } });
    City.parse(answer.output_parsed);
    const content = [{ type: 'input_text', text: 'what?' }, { type: 'input_image', image_url: pixel, detail: 'auto' }];
    const seen = await client.responses.create({ model: models.chat, input: [{ role: 'user', content }] });
    assert.match(seen.output_text, /1 image/);
  });
});

describe('other endpoints', { concurrency: true }, () => {
  test('models', async () => {
    const all = await collect(client.models.list());
    assert.ok(all.some((m) => m.id === models.chat));
    const one = await client.models.retrieve(models.chat);
    assert.equal(one.id, models.chat);
    assert.equal(one.object, 'model');
    assert.ok((await caught(client.models.retrieve(models.missing))) instanceof OpenAI.NotFoundError);
  });

  test('completions', async () => {
    const answer = await client.completions.create({ model: models.completion, prompt: 'hello there', x_unknown: 1 });
    assert.match(answer.choices[0].text, /hello there/);
    assert.deepEqual(answer.x_echo, { x_unknown: 1 });
    const chunks = await collect(await client.completions.create({ model: models.completion, prompt: 'hello there', stream: true }));
    assert.equal(chunks.map((c) => c.choices[0].text).join(''), answer.choices[0].text);
  });

  test('embeddings', async () => {
    const create = (more) => client.embeddings.create({ model: models.embedding, input: ['one', 'two'], dimensions: 8, ...more });
    const [packed, floats, raw] = await Promise.all([create(), create({ encoding_format: 'float' }), create({ encoding_format: 'base64', x_unknown: 1 })]);
    assert.deepEqual(packed.data.map((d) => d.index), [0, 1]);
    assert.equal(packed.data[0].embedding.length, 8);
    assert.deepEqual(Array.from(packed.data[1].embedding), floats.data[1].embedding.map(Math.fround));
    assert.equal(Buffer.from(raw.data[0].embedding, 'base64').length, 32);
    assert.deepEqual(raw.x_echo, { x_unknown: 1 });
  });

  test('images', async () => {
    const drawn = await client.images.generate({ model: models.image, prompt: 'a wall', n: 2, x_unknown: 1 });
    assert.equal(drawn.data.length, 2);
    assert.equal(Buffer.from(drawn.data[0].b64_json, 'base64').subarray(1, 4).toString(), 'PNG');
    assert.deepEqual(drawn.x_echo, { x_unknown: 1 });
    const events = await collect(await client.images.generate({ model: models.image, prompt: 'a wall', stream: true, partial_images: 1 }));
    assert.deepEqual(events.map((e) => e.type), ['image_generation.partial_image', 'image_generation.completed']);
    const image = await Promise.all(['a.png', 'b.png'].map((name) => toFile(bytes(300), name, { type: 'image/png' })));
    const edited = await client.images.edit({ model: models.image, prompt: 'mend', image });
    assert.match(edited.data[0].revised_prompt, /2 images/);
    const varied = await client.images.createVariation({ model: models.image, image: image[0] });
    assert.equal(varied.data.length, 1);
  });

  test('speech', async () => {
    const reply = await client.audio.speech.create({ model: models.speech, voice: 'alloy', input: 'three words here' });
    assert.equal(reply.headers.get('content-type'), 'audio/mpeg');
    assert.deepEqual(new Uint8Array(await reply.arrayBuffer()), bytes(3 * 256));
  });

  test('transcription and translation', async () => {
    const file = await toFile(bytes(70_000), 'talk.mp3', { type: 'audio/mpeg' });
    const whole = await client.audio.transcriptions.create({ model: models.transcription, file, x_unknown: 'a' });
    assert.match(whole.text, /70000 bytes of talk\.mp3/);
    assert.deepEqual(whole.x_echo, { x_unknown: 'a' });
    const plain = await client.audio.transcriptions.create({ model: models.transcription, file, response_format: 'text' });
    assert.equal(plain.trim(), whole.text);
    const events = await collect(await client.audio.transcriptions.create({ model: models.transcription, file, stream: true }));
    assert.equal(events.at(-1).type, 'transcript.text.done');
    const translated = await client.audio.translations.create({ model: models.transcription, file, response_format: 'verbose_json' });
    assert.equal(translated.segments.length, 1);
  });

  test('moderation', async () => {
    const answer = await client.moderations.create({ model: models.moderation, input: ['I kill time', 'I like time'] });
    assert.deepEqual(answer.results.map((r) => r.flagged), [true, false]);
    assert.equal(answer.results[0].categories.violence, true);
  });

  test('rerank, which the SDK does not name', async () => {
    const answer = await client.post('/rerank', { body: { model: models.rerank, query: 'red wall', documents: ['blue sea', 'a red wall'] } });
    assert.deepEqual(answer.results.map((r) => r.index), [1, 0]);
  });
});

describe('errors', { concurrency: true }, () => {
  const classes = {
    400: OpenAI.BadRequestError,
    401: OpenAI.AuthenticationError,
    403: OpenAI.PermissionDeniedError,
    404: OpenAI.NotFoundError,
    409: OpenAI.ConflictError,
    422: OpenAI.UnprocessableEntityError,
    429: OpenAI.RateLimitError,
    500: OpenAI.InternalServerError,
    503: OpenAI.InternalServerError,
  };
  const check = (error, status) => {
    assert.equal(error.constructor, classes[status], String(error));
    assert.equal(error.status, status);
    assert.ok(error.type && error.error.message && error.requestID, 'has type, message and request id');
  };

  test('wrong key', async () => {
    const stranger = new OpenAI({ baseURL, apiKey: 'sk-wrong-key', maxRetries: 0 });
    const error = await caught(stranger.chat.completions.create(ask('hello')));
    check(error, 401);
    assert.equal(error.code, 'invalid_api_key');
  });

  test('missing model', async () => {
    const error = await caught(client.chat.completions.create({ ...ask('hello'), model: models.missing }));
    check(error, 404);
    assert.equal(error.code, 'model_not_found');
    check(await caught(client.chat.completions.create({ ...ask('hello'), model: models.missing, stream: true })), 404);
  });

  test('bad request', async () => {
    const error = await caught(client.chat.completions.create({ model: models.chat }));
    check(error, 400);
    assert.equal(error.param, 'messages');
    check(await caught(client.chat.completions.create({ messages: ask('hello').messages })), 400);
    check(await caught(client.chat.completions.create({ ...ask('hello'), stream: true, n: 0 })), 400);
  });

  test('no such path', async () => check(await caught(client.get('/nothing/here')), 404));

  for (const [status, model] of Object.entries(models.failing)) {
    test(`provider answers ${status}`, async () => {
      check(await caught(client.chat.completions.create({ ...ask('hello'), model })), Number(status));
      check(await caught(client.chat.completions.create({ ...ask('hello'), model, stream: true })), Number(status));
    });
  }

  test('time-out', async () => {
    const error = await caught(client.chat.completions.create({ ...ask('hello'), model: models.silent }, { timeout: 300 }));
    assert.equal(error.constructor, OpenAI.APIConnectionTimeoutError);
  });
});

describe('abort', { concurrency: true }, () => {
  for (const stream of [false, true]) {
    test(`before the first token, ${stream ? 'streamed' : 'whole'}`, async () => {
      const leave = new AbortController();
      setTimeout(() => leave.abort(), 200);
      const error = await soon(caught(client.chat.completions.create({ ...ask('hello'), model: models.silent, stream }, { signal: leave.signal })));
      assert.equal(error.constructor, OpenAI.APIUserAbortError);
    });
  }

  test('mid-stream', async () => {
    const stream = await client.chat.completions.create({ ...ask('hello there'), model: models.stalling, stream: true });
    let said = '';
    const reading = (async () => {
      for await (const chunk of stream) {
        said += chunk.choices[0].delta.content ?? '';
        if (said) setTimeout(() => stream.controller.abort(), 50);
      }
    })();
    await soon(reading);
    assert.ok(said.length > 0);
  });

  test('by leaving the loop', async () => {
    const stream = await client.chat.completions.create({ ...ask('hello there'), stream: true });
    for await (const _ of stream) break;
    assert.ok(stream.controller.signal.aborted);
  });
});
