-- Cancels a job on behalf of a user.
--
-- KEYS: job, stream
-- ARGV: retention ms
--
-- Invariant: a job that somebody works on is only asked to stop, so that its handler can clean up;
-- a job that nobody works on (queued, or left by a dead worker) is cancelled at once.
local job, stream = unpack(KEYS)
local retention_ms = ARGV[1]

local found = redis.call('HMGET', job, 'state', 'lease_ms')
local state = found[1]
if not state then
  return {'NOT_FOUND'}
end
if state == 'RUNNING' and tonumber(found[2]) > now_ms() then
  redis.call('HSET', job, 'cancel_requested', 1)
  changed(job)
  return {'OK'}
end
if state == 'QUEUED' or state == 'RUNNING' then
  redis.call('HSET', job, 'cancel_requested', 1)
  finish(job, stream, 'CANCELLED', retention_ms)
  return {'OK'}
end
return {'FINISHED', state}
