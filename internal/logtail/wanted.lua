-- KEYS[1]  sorted set: what is wanted, by when that ends (ms, Redis's clock)
-- ARGV[1]  how long a wish lasts, in ms
-- ARGV[2]  how many wishes are told at most
-- ARGV[3…] wishes to add, or to prolong
-- Returns the wishes that are in force.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for i = 3, #ARGV do
  redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i])
end
if #ARGV > 2 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
