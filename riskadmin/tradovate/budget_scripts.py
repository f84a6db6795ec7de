"""The Lua that makes each step of the budget atomic in Redis.

Keys, all of one user (the braces keep them on one node of a cluster):

- ``{user}:calls``          sorted set, ledger id -> instant of admission in ms, plus the member ``ready``
- ``{user}:calls:<name>``   the same for an endpoint with a limit of its own, without ``ready``
- ``{user}:halts``          hash, endpoint name or ``*`` -> ``<until in ms>:<reason>``
- ``{user}:rebuild``        who is rebuilding the others

``ready`` has score 0 and lives in the very set it vouches for: whatever loses the calls loses the word that they
are all there. Time is Redis' own unless the caller passes one, so no two processes can disagree about it.
"""

READY = "ready"

_NOW = """
local function milliseconds(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
"""

# KEYS calls, halts, calls of the endpoint; ARGV take or peek, ledger id, window in ms, limit of the lane, endpoint,
# limit of the endpoint or -1, now in ms or ''.
# Answers {'admitted', now} | {'wiped'} | {'halted', ms left, reason} | {'full', ms until one is free}.
#
# An id that is already there was put there by a rebuild that saw its ledger row: it is taken out first, so that it is
# counted once, and so that running this again after a lost answer changes nothing.
# Expired calls are only counted out, and removed no sooner than a call is added: a refusal writes nothing.
ADMIT = (
    _NOW
    + """
if not redis.call('ZSCORE', KEYS[1], 'ready') then return {'wiped'} end
local take, member, window = ARGV[1] == 'take', ARGV[2], tonumber(ARGV[3])
local now = milliseconds(ARGV[7])
local since = string.format('%.0f', now - window)
if take then
  redis.call('ZREM', KEYS[1], member)
  redis.call('ZREM', KEYS[3], member)
end
for _, scope in ipairs({'*', ARGV[5]}) do
  local halt = redis.call('HGET', KEYS[2], scope)
  if halt then
    local ends, reason = string.match(halt, '^(%d+):(.*)$')
    if tonumber(ends) > now then return {'halted', tonumber(ends) - now, reason} end
  end
end
for _, rule in ipairs({{KEYS[1], tonumber(ARGV[4])}, {KEYS[3], tonumber(ARGV[6])}}) do
  local key, limit = rule[1], rule[2]
  if limit >= 0 then
    local used = redis.call('ZCOUNT', key, '(' .. since, '+inf')
    if used >= limit then
      local last = redis.call('ZRANGEBYSCORE', key, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', used - limit, 1)
      local wait = window
      if last[2] then wait = tonumber(last[2]) + window - now end
      return {'full', wait}
    end
  end
end
if take then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(0', since)
  redis.call('ZADD', KEYS[1], now, member)
  if tonumber(ARGV[6]) >= 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '(0', since)
    redis.call('ZADD', KEYS[3], now, member)
  end
end
return {'admitted', now}
"""
)

# KEYS calls, halts; ARGV window in ms, now in ms or ''.
# Answers {'wiped'} | {'state', now, used, instant of the oldest counted or 0, halts as a flat list}.
STATE = (
    _NOW
    + """
if not redis.call('ZSCORE', KEYS[1], 'ready') then return {'wiped'} end
local now = milliseconds(ARGV[2])
local since = string.format('%.0f', now - tonumber(ARGV[1]))
local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
local used = redis.call('ZCOUNT', KEYS[1], '(' .. since, '+inf')
return {'state', now, used, tonumber(oldest[2] or 0), redis.call('HGETALL', KEYS[2])}
"""
)

# KEYS halts; ARGV scope, ms, reason, now in ms or ''. The later end wins.
HALT = (
    _NOW
    + """
local ends = milliseconds(ARGV[4]) + tonumber(ARGV[2])
local halt = redis.call('HGET', KEYS[1], ARGV[1])
if halt and tonumber(string.match(halt, '^(%d+):')) >= ends then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', ends) .. ':' .. ARGV[3])
return 1
"""
)

# KEYS calls, rebuild lock; ARGV who asks, ms to hold it. Answers 'whole' | 'held' (by another) | 'yours'.
#
# In one step, because the lock is worth something only while ``ready`` is missing: then nothing is admitted, so the
# ledger as read under the lock is all there is. Taken after another's rebuild, it would replace later admissions.
BEGIN_REBUILD = """
if redis.call('ZSCORE', KEYS[1], 'ready') then return 'whole' end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'yours' end
return 'held'
"""

# KEYS rebuild lock; ARGV who gives it back.
ABANDON_REBUILD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

# KEYS calls, halts, rebuild lock, then one calls key per limited endpoint; ARGV who holds the lock, now in ms or '',
# number of attempts, number of halts, then per attempt (ledger id, age in ms, index of its endpoint's key or 0), then
# per halt (scope, ms left, reason).
# Answers 1 when done, 0 when the lock is another's: Redis was wiped again meanwhile, or this took too long.
RESTORE = (
    _NOW
    + """
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
local now = milliseconds(ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2])
for index = 4, #KEYS do redis.call('DEL', KEYS[index]) end
local at = 5
for _ = 1, tonumber(ARGV[3]) do
  local score, own = now - tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  redis.call('ZADD', KEYS[1], score, ARGV[at])
  if own > 0 then redis.call('ZADD', KEYS[3 + own], score, ARGV[at]) end
  at = at + 3
end
for _ = 1, tonumber(ARGV[4]) do
  redis.call('HSET', KEYS[2], ARGV[at], string.format('%.0f', now + tonumber(ARGV[at + 1])) .. ':' .. ARGV[at + 2])
  at = at + 3
end
redis.call('ZADD', KEYS[1], 0, 'ready')
redis.call('DEL', KEYS[3])
return 1
"""
)
