-- ARGV: namespace, key, what to add, time to live in milliseconds. Answers what
-- is wrong, or nothing and the sum.
local ns, key = ARGV[1], ARGV[2]
local entry = entryOf(ns, key)
local expires = redis.call('HGET', entry, 'x')
-- Redis counts in 64 bits, a script in 53.
local sum = redis.pcall('HINCRBY', entry, 'v', ARGV[3])
if type(sum) == 'table' and sum.err then
  return { sum.err }
end
if not expires then
  expires = int(now + ARGV[4])
  redis.call('HSET', entry, 'x', expires)
  redis.call('PEXPIREAT', entry, expires)
end
sum = redis.call('HGET', entry, 'v')
wrote(ns, key, #sum, tonumber(expires))
keepSeq()
return { '', sum }
