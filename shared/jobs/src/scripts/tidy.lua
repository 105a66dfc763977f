-- Trims a stream and forgets consumers that are gone.
--
-- KEYS: stream, stream (the prelude's order: this script has no job)
-- ARGV: idle ms after which a consumer counts as gone, name of a consumer that leaves now or ''
--
-- Invariants: nothing pending or undelivered is ever trimmed, and nothing is XDELed, so the group's
-- lag stays a number; a consumer that still owns pending entries stays, for XGROUP DELCONSUMER
-- would forget them and their jobs would never be taken over.
local stream = KEYS[1]
local gone_ms, leaving = tonumber(ARGV[1]), ARGV[2]

local function fields(flat)
  local map = {}
  for i = 1, #flat, 2 do
    map[flat[i]] = flat[i + 1]
  end
  return map
end

local function after(id)
  local ms, number = string.match(id, '^(%d+)-(%d+)$')
  return ms .. '-' .. string.format('%.0f', number + 1)
end

if redis.call('EXISTS', stream) == 0 then
  return {'OK'}
end
for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local group = fields(flat)
  if group.name == GROUP then
    -- The oldest pending entry, or when there is none, the first that nobody has read.
    local floor = redis.call('XPENDING', stream, GROUP)[2] or after(group['last-delivered-id'])
    redis.call('XTRIM', stream, 'MINID', floor)
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, GROUP)) do
      consumer = fields(consumer)
      if consumer.pending == 0 and (consumer.name == leaving or consumer.idle > gone_ms) then
        redis.call('XGROUP', 'DELCONSUMER', stream, GROUP, consumer.name)
      end
    end
  end
end
return {'OK'}
