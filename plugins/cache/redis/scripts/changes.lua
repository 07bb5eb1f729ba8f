-- ARGV: an id for a store that has none, the cursor's id and seq, the most rows
-- to look at, the most bytes of values (0: leave them out), the namespaces
-- (none: all). Answers the store's id, the seq of the next cursor, whether there
-- is more, and namespace, key, expiry, whether it was removed, and value of each.
local limit, room = tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('HSETNX', meta, 'id', ARGV[1])
local id = redis.call('HGET', meta, 'id')
local newest = tonumber(redis.call('HGET', meta, 'seq') or '0')
local after = tonumber(ARGV[3])
-- A cursor of another store, or from what this one has lost, is as good as none.
if ARGV[2] ~= id or after > newest then after = 0 end

local wanted = {}
for i = 6, #ARGV do wanted[#wanted + 1] = ARGV[i] end
if #wanted == 0 then wanted = redis.call('SMEMBERS', namespaces) end

local rows = {}
for _, ns in ipairs(wanted) do
  local found = redis.call('ZRANGEBYSCORE', orderOf(ns), '(' .. int(after), '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
  for i = 1, #found, 2 do
    rows[#rows + 1] = { ns = ns, key = found[i], seq = tonumber(found[i + 1]) }
  end
end
table.sort(rows, function(a, b) return a.seq < b.seq end)

local out = { id, int(newest), '' }
local last = after
for i, row in ipairs(rows) do
  local expires = redis.call('ZSCORE', expiryOf(row.ns), row.key)
  local size = redis.call('HGET', sizeOf(row.ns), row.key)
  local full = i > limit or size and room > 0 and #out > 3 and tonumber(size) > room
  if full then
    out[2], out[3] = int(last), 'more'
    break
  end
  last = row.seq
  if expires and tonumber(expires) > now then
    local value = ''
    if size and ARGV[5] ~= '0' then
      room = room - size
      -- False: Redis had no memory for it.
      value = redis.call('HGET', entryOf(row.ns, row.key), 'v')
    end
    out[#out + 1] = row.ns
    out[#out + 1] = row.key
    out[#out + 1] = int(tonumber(expires))
    out[#out + 1] = (size and value) and '' or 'removed'
    out[#out + 1] = value or ''
  end
end
return out
