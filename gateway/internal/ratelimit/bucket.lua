-- Charges several token buckets, all or none, by the generic cell rate
-- algorithm (gcra.go explains it). Only the subset of Lua and of commands that
-- every Redis since 5, its forks and its embedded stand-in have.
--
-- KEYS[i]      a bucket; holds its theoretical arrival time (TAT) and the interval
--              by which that was reckoned, in µs: "<TAT> <interval>"
-- ARGV, six for each bucket:
--   interval   µs
--   tolerance  µs
--   firm       1: without a token of this bucket nothing is charged; 0: shadow
--   need       tokens that the request wants, 0 or 1
--   extra      tokens to lease besides, if there are plenty
--   debt       µs that were spent without asking; charged in any case
-- returns, two for each bucket: µs until it is full, and the tokens granted
--
-- All numbers are integers below 2^53: µs since 1970 reach it in the year 2255.
-- Only while a fill changes its interval they may be larger, or fractions.

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local stored, fill, short = {}, {}, {}
local admitted = true

for i = 1, #KEYS do
  local a = 6 * i - 5
  local interval, tolerance = tonumber(ARGV[a]), tonumber(ARGV[a + 1])
  local tat, by = string.match(redis.call('GET', KEYS[i]) or '0', '^(%d+) ?(%d*)$')
  stored[i] = tonumber(tat)
  local former = tonumber(by) or interval -- a value without it: the limit is the same
  local ahead = math.max(stored[i] - now, 0)
  if former ~= interval then
    -- Another limit: the tokens that were used stay the same number.
    ahead = math.floor(ahead / former) * interval + math.ceil(ahead % former * interval / former)
  end
  -- No bucket is emptier than empty: a TAT further ahead comes from a clock
  -- that was set back, or a replica's, or from a larger burst.
  fill[i] = math.min(ahead + ARGV[a + 5], tolerance)
  short[i] = tonumber(ARGV[a + 3]) > 0 and fill[i] + interval > tolerance
  if short[i] and ARGV[a + 2] == '1' then
    admitted = false
  end
end

local answer = {}
for i = 1, #KEYS do
  local a = 6 * i - 5
  local interval, tolerance, need = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 3])
  local granted = 0
  if admitted and not short[i] then
    -- At most an eighth of what is left is leased.
    local left = math.floor((tolerance - fill[i]) / interval) - need
    granted = need + math.min(tonumber(ARGV[a + 4]), math.floor(left / 8))
    fill[i] = fill[i] + granted * interval
  end
  -- A full bucket needs no key. %.0f, because Lua would write so large a number
  -- with an exponent.
  local tat = now + fill[i]
  if fill[i] > 0 and tat ~= stored[i] then
    redis.call('SET', KEYS[i], string.format('%.0f %.0f', tat, interval), 'PX', string.format('%.0f', math.ceil(fill[i] / 1000) + 1))
  end
  answer[2 * i - 1] = fill[i]
  answer[2 * i] = granted
end
return answer
