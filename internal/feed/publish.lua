-- Adds items to the feed, all or none.
--
-- KEYS  epoch, log, state
-- ARGV  the latest entry that the caller added, or ''
--       horizon in ms: older entries leave the log
--       1: add nothing unless there is an epoch
--       the epoch to set afterwards, or ''; nothing is done if that entry is lost
-- then, five for each item:
--       kind, key, version (0 for an event), value, expires in ms or ''
-- returns the epoch or '', whether the caller's entry was lost, and the latest
-- entry that was added or ''
--
-- Versions are integers below 2^53.

local horizon = tonumber(ARGV[2])
local epoch = redis.call('GET', KEYS[1]) or ''
local gone = lost(KEYS[2], ARGV[1], horizon)
if ARGV[3] == '1' and epoch == '' or ARGV[4] ~= '' and gone == 1 then
  return {epoch, gone, ''}
end

local added = ''
for i = 5, #ARGV, 5 do
  local kind, key, version, value, expires = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local news = true
  if version ~= '0' then
    local field = kind .. ':' .. key
    local held = redis.call('HGET', KEYS[3], field)
    held = held and tonumber(string.match(held, '^%d+')) or 0
    news = tonumber(version) > held
    if news then
      redis.call('HSET', KEYS[3], field, version .. ' ' .. value)
    end
  end
  if news then
    added = redis.call('XADD', KEYS[2], '*', 'kind', kind, 'key', key, 'version', version, 'value', value, 'expires', expires)
  end
end
-- Nearly: whole nodes of the stream go, and no more of them at once than takes
-- a moment.
redis.call('XTRIM', KEYS[2], 'MINID', '~', string.format('%.0f', math.max(now - horizon, 0)))
if ARGV[4] ~= '' then
  redis.call('SET', KEYS[1], ARGV[4])
end
return {epoch, gone, added}
