-- RUNNING -> SUCCEEDED.
--
-- KEYS: job, stream
-- ARGV: claim, result, retention ms
--
-- Invariant: work that is done counts, even when a request to cancel came a moment before.
local job, stream = unpack(KEYS)
local claim, result, retention_ms = unpack(ARGV)

if already_settled(job, claim) then
  return {'OK'}
end
if not holds(job, claim) then
  return {'FENCED'}
end
redis.call('HSET', job, 'result', result, 'settled', claim)
finish(job, stream, 'SUCCEEDED', retention_ms)
return {'OK'}
