-- ARGV: the most rows of a namespace. Answers whether there may be more.
local more = 0
for _, ns in ipairs(redis.call('SMEMBERS', namespaces)) do
  local gone = redis.call('ZRANGEBYSCORE', expiryOf(ns), '-inf', int(now), 'LIMIT', 0, tonumber(ARGV[1]))
  for _, key in ipairs(gone) do
    local size = redis.call('HGET', sizeOf(ns), key)
    if size then
      redis.call('HDEL', sizeOf(ns), key)
      redis.call('HINCRBY', statsOf(ns), 'bytes', -size)
      redis.call('HINCRBY', statsOf(ns), 'expired', 1)
    end
    forget(ns, key)
  end
  if #gone == tonumber(ARGV[1]) then more = 1 end
end
return more
