-- Begins both scripts. Only the subset of Lua and of commands that Redis since
-- 6.2, its forks and its embedded stand-in have.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- Whether an entry is gone that is no older than the horizon (ms), at which
-- entries leave the log: then the log is not the one that it was added to.
local function lost(log, id, horizon)
  if id == '' or tonumber(string.match(id, '^%d+')) < now - horizon then
    return 0
  end
  return 1 - #redis.call('XRANGE', log, id, id)
end
