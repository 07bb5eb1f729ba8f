-- What the other scripts begin with. KEYS[1] is the hash of what holds for all
-- namespaces, the other names are made of it. A namespace comes escaped.
local meta = KEYS[1]
local base = string.sub(meta, 1, -5) -- without "meta"
local clock = redis.call('TIME')
local us = clock[1] * 1000000 + clock[2]
local now = math.floor(us / 1000)

-- Numbers of this size would be written as 1.7e+15.
local function int(n) return string.format('%.0f', n) end

local function orderOf(ns) return base .. 'order:' .. ns end   -- key -> seq of its last change
local function expiryOf(ns) return base .. 'expiry:' .. ns end -- key -> Unix milliseconds
local function sizeOf(ns) return base .. 'size:' .. ns end     -- key -> bytes; what was removed has none
local function statsOf(ns) return base .. 'stats:' .. ns end
local function entryOf(ns, key) return base .. 'entry:' .. ns .. ':' .. key end
local namespaces = base .. 'namespaces'

-- A seq is the time, and more than any before it. So none comes again, also
-- where Redis is back with less than it had.
local seq
local function nextSeq()
  seq = math.max(us, (seq or tonumber(redis.call('HGET', meta, 'seq') or '0')) + 1)
  return int(seq)
end
local function keepSeq()
  if seq then redis.call('HSET', meta, 'seq', int(seq)) end
end

-- wrote takes an entry that was written into the lists and figures.
local function wrote(ns, key, length, expires)
  local size = #key + length
  local old = redis.call('HGET', sizeOf(ns), key) or 0
  redis.call('HSET', sizeOf(ns), key, size)
  redis.call('ZADD', orderOf(ns), nextSeq(), key)
  redis.call('ZADD', expiryOf(ns), int(expires), key)
  redis.call('HINCRBY', statsOf(ns), 'bytes', size - old)
  redis.call('HINCRBY', statsOf(ns), 'puts', 1)
  redis.call('SADD', namespaces, ns)
end

local function forget(ns, key)
  redis.call('ZREM', orderOf(ns), key)
  redis.call('ZREM', expiryOf(ns), key)
end

-- remove leaves a trace for so many milliseconds at most, but never beyond the
-- entry's expiry: then all know by themselves that it is gone.
local function remove(ns, key, kept)
  local size = redis.call('HGET', sizeOf(ns), key)
  if not size then return end
  redis.call('DEL', entryOf(ns, key))
  redis.call('HDEL', sizeOf(ns), key)
  redis.call('HINCRBY', statsOf(ns), 'bytes', -size)
  local expires = tonumber(redis.call('ZSCORE', expiryOf(ns), key) or '0')
  if expires <= now then
    forget(ns, key)
    return
  end
  redis.call('ZADD', orderOf(ns), nextSeq(), key)
  redis.call('ZADD', expiryOf(ns), int(math.min(expires, now + kept)), key)
end
