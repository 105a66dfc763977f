-- Stands in front of every script (see scripts.rs).
--
-- Every script answers {status, ...}; the statuses are read in store.rs.
-- A job is a hash. Redis runs a script as one atomic step, so a script may check and then write.
-- KEYS[1] is always the job, KEYS[2] its stream.

local GROUP = 'workers'

-- The clock of Redis is the only one that all workers share, so no caller passes a time.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Invariant: only the newest claim of a RUNNING job may write to it. An expired lease alone refuses
-- nothing: until somebody else claims the job, its claim is the newest. Claims have names of their own
-- besides the fence that counts them: a replica that takes over may have missed the newest count and
-- give it out again, and then two attempts have one fence, but still not one name.
local function holds(job, claim)
  local held = redis.call('HMGET', job, 'state', 'claim')
  return held[1] == 'RUNNING' and held[2] == claim
end

-- An attempt ends once. When its answer was lost on the way, the worker asks again with the same
-- claim and must hear that it succeeded, not that it was fenced off by itself.
local function already_settled(job, claim)
  return redis.call('HGET', job, 'settled') == claim
end

-- Watchers poll this counter: whatever they should see must raise it.
local function changed(job)
  redis.call('HINCRBY', job, 'revision', 1)
end

-- Puts a job into its stream. The group exists before the first worker, so that whoever scales workers
-- sees the lag.
local function enqueue(stream, id)
  if redis.call('EXISTS', stream) == 0 then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
  end
  return redis.call('XADD', stream, '*', 'job', id)
end

-- Invariant: a finished job has no worker and no pending entry, and it expires together with the
-- request id that made it. XACK of an entry that was never delivered does nothing; such an entry
-- is acknowledged by whoever reads it (claim.lua), for XDEL would make the group's lag unknown.
local function finish(job, stream, state, retention_ms)
  redis.call('HSET', job, 'state', state, 'finished_ms', now_ms())
  redis.call('HDEL', job, 'worker', 'lease_ms')
  changed(job)
  local kept = redis.call('HMGET', job, 'entry', 'request_key')
  redis.call('XACK', stream, GROUP, kept[1])
  redis.call('PEXPIRE', job, retention_ms)
  if kept[2] then
    redis.call('PEXPIRE', kept[2], retention_ms)
  end
end

-- Fails a job that has no attempt left. The error of its last attempt is what a person needs.
local function exhaust(job, stream, retention_ms)
  local last = redis.call('HMGET', job, 'attempt', 'last_reason', 'last_message')
  local message = 'all ' .. last[1] .. ' attempts are used'
  if last[2] then
    message = message .. '; the last one ended with ' .. last[2] .. ': ' .. last[3]
  end
  redis.call('HSET', job, 'error_reason', 'ATTEMPTS_EXHAUSTED', 'error_message', message)
  finish(job, stream, 'FAILED', retention_ms)
end
