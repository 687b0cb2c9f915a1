-- Reads the next page of the log, if it still is the same log.
--
-- KEYS  epoch, log
-- ARGV  the latest entry that is known, or ''
--       the age in ms from which that entry may be missing
--       how many entries are wanted at most
-- returns the epoch or '', whether the known entry was lost, and the entries
-- after it

local epoch = redis.call('GET', KEYS[1]) or ''
local gone = lost(KEYS[2], ARGV[1], tonumber(ARGV[2]))
local entries = {}
if ARGV[3] ~= '0' and gone == 0 then
  local read = redis.call('XREAD', 'COUNT', ARGV[3], 'STREAMS', KEYS[2], ARGV[1] == '' and '0' or ARGV[1])
  if read and read[1] then
    entries = read[1][2]
  end
end
return {epoch, gone, entries}
