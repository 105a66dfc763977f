-- Renews a lease and tells the worker whether somebody asked to cancel.
--
-- KEYS: job, stream
-- ARGV: claim, worker, lease ms
--
-- Invariant: lease and idle time of the pending entry are renewed together (see claim.lua). It does
-- not raise the revision: a heartbeat is nothing that a watcher wants to see.
local job, stream = unpack(KEYS)
local claim, worker, lease_ms = unpack(ARGV)

if not holds(job, claim) then
  return {'FENCED'}
end
redis.call('HSET', job, 'lease_ms', now_ms() + lease_ms)
local kept = redis.call('HMGET', job, 'entry', 'cancel_requested')
redis.call('XCLAIM', stream, GROUP, worker, 0, kept[1], 'JUSTID')
return {'OK', kept[2] and 1 or 0}
