-- FAILED -> QUEUED, because somebody says that the cause is gone.
--
-- KEYS: job, stream
--
-- Invariants: the job keeps its id, checkpoint, request id and fence, so that nothing which an old
-- attempt still writes can get in; its attempts are counted anew. Asked twice it is queued once: of a
-- job that is queued or running already nothing changes.
local job, stream = unpack(KEYS)

local found = redis.call('HMGET', job, 'state', 'id', 'request_key')
local state = found[1]
if not state then
  return {'NOT_FOUND'}
end
if state == 'QUEUED' or state == 'RUNNING' then
  return {'OK'}
end
if state ~= 'FAILED' then
  return {'FINISHED', state}
end
local entry = enqueue(stream, found[2])
redis.call('HSET', job, 'state', 'QUEUED', 'entry', entry, 'attempt', 0)
redis.call('HDEL', job, 'error_reason', 'error_message', 'finished_ms', 'cancel_requested')
redis.call('PERSIST', job)
if found[3] then
  redis.call('PERSIST', found[3])
end
changed(job)
return {'OK'}
