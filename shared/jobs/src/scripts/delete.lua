-- Forgets a finished job.
--
-- KEYS: job, stream, index, index of the kind
-- ARGV: id
--
-- Invariant: an unfinished job is never deleted, so no worker loses its job silently. A queue entry
-- that was not delivered yet stays: whoever reads it finds no job and acknowledges it (claim.lua).
local job, _, index, kind_index = unpack(KEYS)
local id = ARGV[1]

local found = redis.call('HMGET', job, 'state', 'request_key')
local state = found[1]
if not state then
  return {'NOT_FOUND'}
end
if state == 'QUEUED' or state == 'RUNNING' then
  return {'UNFINISHED', state}
end
redis.call('DEL', job)
if found[2] then
  redis.call('DEL', found[2])
end
redis.call('ZREM', index, id)
redis.call('ZREM', kind_index, id)
return {'OK'}
