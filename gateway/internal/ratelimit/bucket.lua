-- Charges several token buckets, all or none, by the generic cell rate
-- algorithm (gcra.go explains it). Only the subset of Lua and of commands that
-- every Redis since 5, its forks and its embedded stand-in have.
--
-- KEYS[i]      a bucket; holds its theoretical arrival time (TAT) in µs
-- ARGV[2i-1]   interval in µs
-- ARGV[2i]     tolerance in µs
-- returns      {1 if admitted else 0, now in µs, TAT of each bucket afterwards}
--
-- All numbers are integers below 2^53: µs since 1970 reach it in the year 2255.

-- A bucket that is full again needs no key. %.0f, because Lua would write so
-- large a number with an exponent.
local function keep(key, tat, now)
  local ttl = math.ceil((tat - now) / 1000) + 1
  redis.call('SET', key, string.format('%.0f', tat), 'PX', string.format('%.0f', ttl))
end

local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local tats = {}
local admitted = 1

for i = 1, #KEYS do
  local interval = tonumber(ARGV[2 * i - 1])
  local tolerance = tonumber(ARGV[2 * i])
  local tat = tonumber(redis.call('GET', KEYS[i]) or now)
  if tat < now then
    tat = now
  elseif tat > now + tolerance then
    -- The clock was set back, or this replica's was: no bucket is emptier
    -- than empty. Kept also when this request is refused, so that the bucket
    -- refills from here.
    tat = now + tolerance
    keep(KEYS[i], tat, now)
  end
  if tat + interval - now > tolerance then
    admitted = 0
  end
  tats[i] = tat
end

if admitted == 1 then
  for i = 1, #KEYS do
    tats[i] = tats[i] + ARGV[2 * i - 1]
    keep(KEYS[i], tats[i], now)
  end
end

local answer = {admitted, now}
for i = 1, #KEYS do
  answer[i + 2] = tats[i]
end
return answer
