-- RUNNING -> FAILED, or back to QUEUED when another attempt may succeed.
--
-- KEYS: job, stream
-- ARGV: claim, reason, message, retryable (1 or 0), retention ms
--
-- Invariant: a job that waits for its next attempt keeps its pending entry. XAUTOCLAIM delivers it
-- after one lease: a pause that lets a passing trouble pass, without a timer anywhere.
local job, stream = unpack(KEYS)
local claim, reason, message, retryable, retention_ms = unpack(ARGV)

if already_settled(job, claim) then
  return {'OK'}
end
if not holds(job, claim) then
  return {'FENCED'}
end
redis.call('HSET', job, 'last_reason', reason, 'last_message', message, 'settled', claim)
local found = redis.call('HMGET', job, 'attempt', 'max_attempts', 'cancel_requested', 'entry',
  'worker')

if retryable ~= '1' then
  redis.call('HSET', job, 'error_reason', reason, 'error_message', message)
  finish(job, stream, 'FAILED', retention_ms)
elseif found[3] then
  finish(job, stream, 'CANCELLED', retention_ms)
elseif tonumber(found[1]) >= tonumber(found[2]) then
  exhaust(job, stream, retention_ms)
else
  redis.call('HSET', job, 'state', 'QUEUED')
  redis.call('HDEL', job, 'worker', 'lease_ms')
  changed(job)
  redis.call('XCLAIM', stream, GROUP, found[5], 0, found[4], 'JUSTID')
end
return {'OK'}
