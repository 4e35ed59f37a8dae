"""The state changes of a job, as Lua: Redis runs each of them whole or not at all, so no two processes can
disagree.

Keys: job:ID hash, lease:ID token, events:ID stream, end:ID stream of the one event that ends a job (for who
waits for nothing else; for a minute), key:KEY -> ID of the live job, jobs and jobs:KIND (all
ids, sorted by age), live and live:OWNER (unfinished ids). All below the prefix `wc:`.
"""

from __future__ import annotations

from service.store import measurements

EVENTS_KEPT = 2000  # a job, about; the oldest go first
_END_SECONDS = 60  # whoever waits looks at the record every few seconds, too

_COMMON = f"""{measurements.LUA}
local function event(id, type, data)
  redis.call('XADD', 'wc:events:' .. id, 'MAXLEN', '~', {EVENTS_KEPT}, '*', 'type', type, 'data', data)
end
local function is_final(status)
  return status == 'succeeded' or status == 'failed' or status == 'cancelled'
end
local function close(id, status, now, ttl)
  local job = 'wc:job:' .. id
  redis.call('HSET', job, 'status', status, 'finished_at', now)
  local fields = redis.call('HMGET', job, 'key', 'owner', 'kind', 'token', 'begun')
  local key, owner, kind, token, begun = unpack(fields)
  if token ~= id then
    count('jobs|' .. kind .. '|' .. status)
    if begun then observe('duration|' .. kind .. '|' .. status, clock() - tonumber(begun)) end
  end
  if key ~= '' and redis.call('GET', 'wc:key:' .. key) == id then redis.call('DEL', 'wc:key:' .. key) end
  redis.call('ZREM', 'wc:live', id)
  redis.call('ZREM', 'wc:live:' .. owner, id)
  event(id, 'state', cjson.encode({{status = status}}))
  redis.call('XADD', 'wc:end:' .. id, '*', 'status', status)
  redis.call('EXPIRE', 'wc:end:' .. id, {_END_SECONDS})
  redis.call('EXPIRE', job, ttl)
  redis.call('EXPIRE', 'wc:events:' .. id, ttl)
end
"""

# ARGV: id, kind, queue, key, owner, payload, now, trace, about. Returns the id of the job that does this
# work: a new or a live one.
CREATE = (
    _COMMON
    + """
local id, kind, queue, key, owner, payload, now, trace, about = unpack(ARGV)
if key ~= '' then
  local live = redis.call('GET', 'wc:key:' .. key)
  if live then
    local status, cancel = unpack(redis.call('HMGET', 'wc:job:' .. live, 'status', 'cancel'))
    -- a job that is being cancelled is of no use to a new caller
    if status and not is_final(status) and cancel ~= '1' then return live end
  end
  redis.call('SET', 'wc:key:' .. key, id)
end
redis.call('HSET', 'wc:job:' .. id, 'kind', kind, 'queue', queue, 'key', key, 'owner', owner, 'payload',
payload, 'trace', trace, 'about', about, 'made', string.format('%.6f', clock()),
           'status', 'queued', 'created_at', now, 'attempts', 0, 'cancel', 0, 'token', '')
redis.call('ZADD', 'wc:jobs', 0, id)
redis.call('ZADD', 'wc:jobs:' .. kind, 0, id)
redis.call('ZADD', 'wc:live', 0, id)
redis.call('ZADD', 'wc:live:' .. owner, 0, id)
event(id, 'state', '{"status":"queued"}')
return id
"""
)

# ARGV: id, token, now, ttl. Returns the number of this attempt, 0 when there is nothing to do.
BEGIN = (
    _COMMON
    + """
local id, token, now, ttl = unpack(ARGV)
local job = 'wc:job:' .. id
local status, cancel = unpack(redis.call('HMGET', job, 'status', 'cancel'))
if not status or is_final(status) then return 0 end
if cancel == '1' then close(id, 'cancelled', now, ttl) return 0 end
redis.call('HSET', job, 'status', 'running', 'token', token)
local first = redis.call('HSETNX', job, 'started_at', now) == 1
if status ~= 'running' then event(id, 'state', '{"status":"running"}') end
local attempt = redis.call('HINCRBY', job, 'attempts', 1)
if token ~= id then
  local kind, made = unpack(redis.call('HMGET', job, 'kind', 'made'))
  if first then
    redis.call('HSET', job, 'begun', string.format('%.6f', clock()))
    if made then observe('queue_wait|' .. kind, clock() - tonumber(made)) end
  elseif attempt > 1 then
    count('redeliveries|' .. kind)
  end
end
return attempt
"""
)

# ARGV: id, token, status, field, value, now, ttl, facts (measurements.facts_of). Returns 1 when it was done,
# 0 when the caller does not own the job. An empty token is the service's own hand (reconciler, enqueueing
# failed): only for jobs that nobody works on.
FINISH = (
    _COMMON
    + """
local id, token, status, field, value, now, ttl, facts = unpack(ARGV)
local job = 'wc:job:' .. id
local current, owner_token = unpack(redis.call('HMGET', job, 'status', 'token'))
if not current or is_final(current) then return 0 end
if token == '' then
  if redis.call('EXISTS', 'wc:lease:' .. id) == 1 then return 0 end
elseif token ~= owner_token then
  return 0
end
if field ~= '' then redis.call('HSET', job, field, value) end
local progress = status == 'succeeded' and redis.call('HGET', job, 'progress')
if progress then
  local total = cjson.decode(progress).total
  if type(total) ~= 'number' then total = 1 end
  redis.call('HSET', job, 'progress', cjson.encode({done = total, total = total, message = 'done'}))
end
close(id, status, now, ttl)
if token ~= id then
  local kind, told = redis.call('HGET', job, 'kind'), cjson.decode(facts)
  if told.problem then count('failures|' .. kind .. '|' .. told.problem) end
  refused(told.operators or {})
  for stage, seconds in pairs(told.stages or {}) do observe('stage|' .. kind .. '|' .. stage, seconds) end
end
return 1
"""
)

# ARGV: id, now, ttl. Returns the status afterwards, false when there is no such job.
CANCEL = (
    _COMMON
    + """
local id, now, ttl = unpack(ARGV)
local job = 'wc:job:' .. id
local status = redis.call('HGET', job, 'status')
if not status or is_final(status) then return status end
if redis.call('EXISTS', 'wc:lease:' .. id) == 0 then close(id, 'cancelled', now, ttl) return 'cancelled' end
redis.call('HSET', job, 'cancel', 1)
return status
"""
)

# ARGV: id. Forgets a job that has ended. Returns 1 when it is gone, 0 when it has not ended.
FORGET = (
    _COMMON
    + """
local id = ARGV[1]
local status, kind = unpack(redis.call('HMGET', 'wc:job:' .. id, 'status', 'kind'))
if not status then return 1 end
if not is_final(status) then return 0 end
redis.call('DEL', 'wc:job:' .. id, 'wc:events:' .. id, 'wc:end:' .. id)
redis.call('ZREM', 'wc:jobs', id)
redis.call('ZREM', 'wc:jobs:' .. kind, id)
return 1
"""
)

# ARGV: id, token, type, data, then fields and values of the record. Returns 1 when the event was written.
REPORT = (
    _COMMON
    + """
local id, token, type, data = unpack(ARGV, 1, 4)
local job = 'wc:job:' .. id
local status, owner_token = unpack(redis.call('HMGET', job, 'status', 'token'))
if status ~= 'running' or (token ~= '' and token ~= owner_token) then return 0 end
if #ARGV > 4 then redis.call('HSET', job, unpack(ARGV, 5)) end
event(id, type, data)
return 1
"""
)

# ARGV: id, token. The owner gives a running job back so that it goes on later; no failed attempt is counted.
YIELD = """
local id, token = unpack(ARGV)
local job = 'wc:job:' .. id
local status, owner_token = unpack(redis.call('HMGET', job, 'status', 'token'))
if status ~= 'running' or token ~= owner_token then return 0 end
redis.call('HSET', job, 'attempts', 0, 'token', '')
return 1
"""

# KEYS: lease. ARGV: token, milliseconds.
RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
# KEYS: lease. ARGV: token.
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# KEYS: lease. ARGV: token of the dead holder, new token, milliseconds.
TAKE_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
