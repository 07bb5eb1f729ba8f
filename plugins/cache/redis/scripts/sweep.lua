-- ARGV: the most rows of a namespace, how long evictions are kept. Answers
-- whether there may be more.
local most = tonumber(ARGV[1])
local more = 0

-- counts what Redis has evicted of the keys.
local function evicted(ns, keys)
  local n = 0
  for _, key in ipairs(keys) do
    if redis.call('HEXISTS', sizeOf(ns), key) == 1 and redis.call('EXISTS', entryOf(ns, key)) == 0 then
      remove(ns, key, tonumber(ARGV[2]))
      redis.call('HINCRBY', statsOf(ns), 'evicted', 1)
      n = n + 1
    end
  end
  return n
end

for _, ns in ipairs(redis.call('SMEMBERS', namespaces)) do
  local gone = redis.call('ZRANGEBYSCORE', expiryOf(ns), '-inf', int(now), 'LIMIT', 0, most)
  for _, key in ipairs(gone) do
    local size = redis.call('HGET', sizeOf(ns), key)
    if size then
      redis.call('HDEL', sizeOf(ns), key)
      redis.call('HINCRBY', statsOf(ns), 'bytes', -size)
      redis.call('HINCRBY', statsOf(ns), 'expired', 1)
    end
    forget(ns, key)
  end
  if #gone == most then
    more = 1
  else
    -- By volatile-ttl Redis begins with what expires first.
    local first = redis.call('ZRANGEBYSCORE', expiryOf(ns), '(' .. int(now), '+inf', 'LIMIT', 0, most)
    if evicted(ns, first) > 0 then more = 1 end
    -- All else has its turn, in the order of the expiries.
    local from = redis.call('HGET', statsOf(ns), 'looked') or '-inf'
    local turn = redis.call('ZRANGEBYSCORE', expiryOf(ns), from, '+inf', 'LIMIT', 0, most)
    local to = #turn == most and redis.call('ZSCORE', expiryOf(ns), turn[most])
    evicted(ns, turn)
    -- A portion that all expires at once would be looked at for ever.
    if to and to ~= from then
      redis.call('HSET', statsOf(ns), 'looked', to)
    else
      redis.call('HDEL', statsOf(ns), 'looked')
    end
  end
end
keepSeq()
return more
