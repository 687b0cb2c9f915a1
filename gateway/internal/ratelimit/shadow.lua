-- Adds to the counts of an hour.
--
-- KEYS[1]        a hash of counts
-- ARGV[1]        the most counts that it holds; above that all are one, ""
-- ARGV[2]        seconds after the last change until it goes
-- ARGV[3], [4]…  names and what to add to each
-- returns        how many arguments it has worked on

for i = 3, #ARGV, 2 do
  local name = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], name) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
    name = ''
  end
  redis.call('HINCRBY', KEYS[1], name, ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return #ARGV
