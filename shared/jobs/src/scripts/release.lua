-- Gives a job up unfinished: CANCELLED when that was asked for, else RUNNING -> QUEUED.
--
-- KEYS: job, stream
-- ARGV: claim, retention ms
--
-- Invariants: a release does not count as an attempt (draining a worker is not the job's fault);
-- old entry out and new entry in are one step, so the job is queued exactly once and another worker
-- can take it at once.
local job, stream = unpack(KEYS)
local claim, retention_ms = unpack(ARGV)

if already_settled(job, claim) then
  return {'OK'}
end
if not holds(job, claim) then
  return {'FENCED'}
end
redis.call('HSET', job, 'settled', claim)
local found = redis.call('HMGET', job, 'id', 'entry', 'cancel_requested')

if found[3] then
  finish(job, stream, 'CANCELLED', retention_ms)
else
  redis.call('XACK', stream, GROUP, found[2])
  local entry = enqueue(stream, found[1])
  redis.call('HSET', job, 'state', 'QUEUED', 'entry', entry)
  redis.call('HDEL', job, 'worker', 'lease_ms')
  redis.call('HINCRBY', job, 'attempt', -1)
  changed(job)
end
return {'OK'}
