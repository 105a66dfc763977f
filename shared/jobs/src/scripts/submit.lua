-- Creates a job: hash, both indexes, stream entry and request id appear together or not at all.
--
-- KEYS: job, stream, index, index of the kind, sequence, [request id]
-- ARGV: id, kind, payload, max attempts, trace
--
-- Invariant: of all callers with one request id exactly one creates a job; the others get that job,
-- or REUSED when they meant another payload.
local job, stream, index, kind_index, sequence, request = unpack(KEYS)
local id, kind, payload, max_attempts, trace = unpack(ARGV)

if request then
  local first = redis.call('GET', request)
  local known = first and redis.call('HMGET', first, 'id', 'payload')
  -- A job that was deleted or has expired no longer claims its request id.
  if known and known[1] then
    if known[2] ~= payload then
      return {'REUSED', known[1]}
    end
    -- A write, for WAIT counts the replicas that have the caller's last write: without one it would
    -- acknowledge a job that no replica has seen.
    redis.call('HSET', first, 'asked_ms', now_ms())
    return {'OK', known[1]}
  end
  redis.call('SET', request, job)
  redis.call('HSET', job, 'request_key', request)
end

local entry = enqueue(stream, id)

-- A sequence and not the time orders the lists: two jobs of one millisecond still have an order.
local number = redis.call('INCR', sequence)
redis.call('ZADD', index, number, id)
redis.call('ZADD', kind_index, number, id)

redis.call('HSET', job,
  'id', id, 'kind', kind, 'payload', payload, 'state', 'QUEUED', 'created_ms', now_ms(),
  'trace', trace, 'attempt', 0, 'max_attempts', max_attempts, 'fence', 0, 'entry', entry, 'revision', 1)
return {'OK', id}
