-- ARGV: how long removals are kept, the namespace, the keys.
for i = 3, #ARGV do
  remove(ARGV[2], ARGV[i], tonumber(ARGV[1]))
end
keepSeq()
return 1
