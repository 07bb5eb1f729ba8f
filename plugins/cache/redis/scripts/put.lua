-- ARGV: how long removals are kept, then namespace, key, value, expiry of each.
for i = 2, #ARGV, 4 do
  local ns, key, value, expires = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if tonumber(expires) <= now then
    remove(ns, key, tonumber(ARGV[1]))
  else
    local entry = entryOf(ns, key)
    redis.call('HSET', entry, 'v', value, 'x', expires)
    redis.call('PEXPIREAT', entry, expires)
    wrote(ns, key, #value, tonumber(expires))
  end
end
keepSeq()
return 1
