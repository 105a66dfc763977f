-- RUNNING -> SUCCEEDED.
--
-- KEYS: job, stream
-- ARGV: fence, result, retention ms
--
-- Invariant: work that is done counts, even when a request to cancel came a moment before.
local job, stream = unpack(KEYS)
local fence, result, retention_ms = unpack(ARGV)

if already_settled(job, fence) then
  return {'OK'}
end
if not holds(job, fence) then
  return {'FENCED'}
end
redis.call('HSET', job, 'result', result, 'settled', fence)
finish(job, stream, 'SUCCEEDED', retention_ms)
return {'OK'}
