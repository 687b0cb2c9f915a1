-- Counts the gateways that are alive.
--
-- KEYS[1]  a sorted set: identity -> when it was last heard of, in ms
-- ARGV[1]  the identity that reports
-- ARGV[2]  ms after which a silent one counts as gone
-- returns  how many there are

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
