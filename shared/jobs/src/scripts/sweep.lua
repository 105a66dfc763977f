-- Drops index entries whose job has expired.
--
-- KEYS: index, stream (the prelude's order; neither is a job)
-- ARGV: prefix of a job's key, number after which to look, how many entries to look at
--
-- Invariant: hashes expire by themselves, their index entries do not, and nobody may ever list them;
-- without this the indexes would grow for ever. A job and its entries are made in one step and ids are
-- never used twice, so an entry without a job is one that may go.
local index = KEYS[1]
local prefix, after, count = unpack(ARGV)

local entries = redis.call('ZRANGEBYSCORE', index, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #entries, 2 do
  if redis.call('EXISTS', prefix .. entries[i]) == 0 then
    redis.call('ZREM', index, entries[i])
  end
  after = entries[i + 1]
end
-- Seen to the end: the next sweep begins anew.
return {'OK', #entries < 2 * tonumber(count) and '0' or after}
