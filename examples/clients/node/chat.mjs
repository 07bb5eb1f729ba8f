import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:7601/v1',
  apiKey: process.env.OPENAI_API_KEY ?? 'any',
});
const messages = [{ role: 'user', content: process.argv[2] ?? 'Say hello' }];
const stream = await client.chat.completions.create({ model: 'demo', messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? '');
console.log();
