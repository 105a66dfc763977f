-- Keeps where the work can be continued. Outlives the attempt, until the job itself goes.
--
-- KEYS: job, stream
-- ARGV: claim, checkpoint
--
-- Invariant: a stale worker cannot put its older checkpoint over a newer worker's.
local job = KEYS[1]
local claim, checkpoint = unpack(ARGV)

if not holds(job, claim) then
  return {'FENCED'}
end
redis.call('HSET', job, 'checkpoint', checkpoint)
return {'OK'}
