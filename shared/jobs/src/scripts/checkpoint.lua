-- Keeps where the work can be continued. Outlives the attempt, until the job itself goes.
--
-- KEYS: job, stream
-- ARGV: fence, checkpoint
--
-- Invariant: a stale worker cannot put its older checkpoint over a newer worker's.
local job = KEYS[1]
local fence, checkpoint = unpack(ARGV)

if not holds(job, fence) then
  return {'FENCED'}
end
redis.call('HSET', job, 'checkpoint', checkpoint)
return {'OK'}
