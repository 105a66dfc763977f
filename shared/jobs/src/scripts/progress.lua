-- Writes progress.
--
-- KEYS: job, stream
-- ARGV: claim, done, total, message
--
-- Invariant: within an attempt `done` never goes back, even when two writes overtake each other.
local job = KEYS[1]
local claim, done, total, message = unpack(ARGV)

if not holds(job, claim) then
  return {'FENCED'}
end
local before = redis.call('HGET', job, 'done')
if not before or tonumber(before) <= tonumber(done) then
  redis.call('HSET', job, 'done', done, 'total', total, 'message', message)
  changed(job)
end
return {'OK'}
