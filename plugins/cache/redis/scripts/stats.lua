-- ARGV: namespace, hits and misses of each that was read. Answers namespace,
-- entries, bytes, hits, misses, puts and expired of all.
for i = 1, #ARGV, 3 do
  redis.call('HINCRBY', statsOf(ARGV[i]), 'hits', ARGV[i + 1])
  redis.call('HINCRBY', statsOf(ARGV[i]), 'misses', ARGV[i + 2])
  redis.call('SADD', namespaces, ARGV[i])
end
local out = {}
for _, ns in ipairs(redis.call('SMEMBERS', namespaces)) do
  out[#out + 1] = ns
  out[#out + 1] = tostring(redis.call('HLEN', sizeOf(ns)))
  local figures = redis.call('HMGET', statsOf(ns), 'bytes', 'hits', 'misses', 'puts', 'expired')
  for i = 1, 5 do out[#out + 1] = figures[i] or '0' end
end
return out
