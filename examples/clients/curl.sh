#!/bin/sh
# Streams an answer from the router: ./curl.sh ["What to ask, without double quotes"]
set -eu

curl -sSN --fail-with-body "${OPENAI_BASE_URL:-http://127.0.0.1:7601/v1}/chat/completions" \
  -H "Authorization: Bearer ${OPENAI_API_KEY:-any}" \
  -H "Content-Type: application/json" \
  -d '{"model": "demo", "stream": true, "messages": [{"role": "user", "content": "'"${1:-Say hello}"'"}]}'
