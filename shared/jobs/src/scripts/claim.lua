-- Gives a delivered entry's job to a worker.
--
-- KEYS: job, stream
-- ARGV: entry, worker, lease ms, retention ms, name of this claim
--
-- Invariants: only a QUEUED job, or a RUNNING one whose lease has expired, can be claimed; each
-- claim raises the fence and the attempt, but once: who repeats a claim because its answer was lost
-- gets the lease that it has, or an attempt would be spent on nothing; the pending entry's idle time
-- starts with the lease, so that "idle for one lease" (XAUTOCLAIM) and "the lease has expired" become
-- true together.
local job, stream = unpack(KEYS)
local entry, worker, lease_ms, retention_ms, claim = unpack(ARGV)

local found = redis.call('HMGET', job, 'state', 'entry', 'lease_ms', 'cancel_requested',
  'attempt', 'max_attempts', 'worker', 'claim')
local state, attempt = found[1], found[5]

local function granted(fence, attempt)
  redis.call('HSET', job, 'worker', worker, 'lease_ms', now_ms() + lease_ms)
  redis.call('XCLAIM', stream, GROUP, worker, 0, entry, 'JUSTID')
  local kept = redis.call('HMGET', job, 'payload', 'checkpoint', 'trace')
  return {'OK', fence, attempt, kept[1], kept[2], kept[3]}
end

-- Deleted, finished, or queued again under a newer entry: nothing is left to do for this one.
if (state ~= 'QUEUED' and state ~= 'RUNNING') or found[2] ~= entry then
  redis.call('XACK', stream, GROUP, entry)
  return {'GONE'}
end

if state == 'RUNNING' and found[8] == claim then
  return granted(tonumber(redis.call('HGET', job, 'fence')), tonumber(attempt))
end
if state == 'RUNNING' then
  local left = tonumber(found[3]) - now_ms()
  if left > 0 then
    -- Taken over too early (leases of different length): give it back, due when the lease ends.
    local idle = math.max(0, tonumber(lease_ms) - left)
    redis.call('XCLAIM', stream, GROUP, found[7], 0, entry, 'IDLE', idle, 'JUSTID')
    return {'HELD'}
  end
  redis.call('HSET', job, 'last_reason', 'WORKER_LOST', 'last_message',
    'worker ' .. found[7] .. ' stopped renewing its lease during attempt ' .. attempt)
end

if found[4] then
  finish(job, stream, 'CANCELLED', retention_ms)
  return {'GONE'}
end
if tonumber(attempt) >= tonumber(found[6]) then
  exhaust(job, stream, retention_ms)
  return {'GONE'}
end

redis.call('HSET', job, 'state', 'RUNNING', 'claim', claim)
redis.call('HSETNX', job, 'started_ms', now_ms())
-- Progress never goes back within an attempt, and a new attempt starts from its checkpoint.
redis.call('HDEL', job, 'done', 'total', 'message')
local fence = redis.call('HINCRBY', job, 'fence', 1)
redis.call('HINCRBY', job, 'attempt', 1)
changed(job)
return granted(fence, attempt + 1)
