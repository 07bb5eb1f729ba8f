// What the tests share: where to ask, and for which models.
//
// BASE_URL and API_KEY name any OpenAI endpoint that checks keys. MODELS is JSON; its fields replace those below:
// "silent" never answers, "stalling" stops after a few words, "missing" is not served, and "failing" holds for an
// error status the model that answers with it.
import assert from 'node:assert/strict';

export const baseURL = process.env.BASE_URL ?? 'http://127.0.0.1:7601/v1';
export const apiKey = process.env.API_KEY ?? 'sk-any';
export const models = {
  chat: 'gpt-4o-mini',
  completion: 'gpt-3.5-turbo-instruct',
  embedding: 'text-embedding-3-small',
  image: 'gpt-image-1',
  speech: 'gpt-4o-mini-tts',
  transcription: 'whisper-1',
  moderation: 'omni-moderation-latest',
  rerank: 'rerank-v3.5',
  silent: 'silent',
  stalling: 'stalling',
  missing: 'no-such-model',
  failing: {},
  ...JSON.parse(process.env.MODELS ?? '{}'),
};

export const weather = {
  name: 'get_weather',
  description: 'Tells the weather of a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer' } },
    required: ['city', 'days'],
    additionalProperties: false,
  },
};

export const clock = {
  name: 'get_time',
  parameters: { type: 'object', properties: { zone: { type: 'string', enum: ['utc', 'local'] } }, required: ['zone'], additionalProperties: false },
};

export const pixel =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const bytes = (size) => Uint8Array.from({ length: size }, (_, i) => i % 256);

export async function collect(stream) {
  const all = [];
  for await (const item of stream) all.push(item);
  return all;
}

// caught is the error that a promise is rejected with.
export async function caught(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('no error');
}

// soon fails when a promise takes longer than an abort may take.
export async function soon(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('not within 30 s')), 30000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
