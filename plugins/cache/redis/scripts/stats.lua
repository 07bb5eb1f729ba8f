-- ARGV: namespace, hits and misses of each that was read. Answers namespace,
-- entries, bytes, hits, misses, puts, expired, evicted, and when that of the
-- entries was written that was written longest ago, and the last one, of all.
for i = 1, #ARGV, 3 do
  redis.call('HINCRBY', statsOf(ARGV[i]), 'hits', ARGV[i + 1])
  redis.call('HINCRBY', statsOf(ARGV[i]), 'misses', ARGV[i + 2])
  redis.call('SADD', namespaces, ARGV[i])
end

-- A seq is the time. Removals stand in the order too, for an hour at most: in a
-- namespace of little else the end of a long row of them is near enough.
local function writtenAt(ns, command)
  local at = '0'
  for from = 0, 900, 100 do
    local keys = redis.call(command, orderOf(ns), from, from + 99, 'WITHSCORES')
    for i = 1, #keys, 2 do
      at = int(tonumber(keys[i + 1]))
      if redis.call('HEXISTS', sizeOf(ns), keys[i]) == 1 then return at end
    end
    if #keys < 200 then break end
  end
  return at
end

local out = {}
for _, ns in ipairs(redis.call('SMEMBERS', namespaces)) do
  local entries = redis.call('HLEN', sizeOf(ns))
  out[#out + 1] = ns
  out[#out + 1] = tostring(entries)
  local figures = redis.call('HMGET', statsOf(ns), 'bytes', 'hits', 'misses', 'puts', 'expired', 'evicted')
  for i = 1, 6 do out[#out + 1] = figures[i] or '0' end
  out[#out + 1] = entries > 0 and writtenAt(ns, 'ZRANGE') or '0'
  out[#out + 1] = entries > 0 and writtenAt(ns, 'ZREVRANGE') or '0'
end
return out
