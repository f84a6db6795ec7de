"""The Lua scripts that make each step of the budget atomic in Redis.

Keys of one user:

- ``{user}:calls``    sorted set, ledger id -> instant of admission in ms, plus the member ``ready``
- ``{user}:halts``    hash, ``*``, an endpoint, or ``<endpoint>@<environment>`` -> ``<until in ms>:<reason>``
- ``{user}:limit``    hash, the hourly limit that Tradovate's 429 taught: ``calls counted stood at until lasts``, times in ms
- ``{user}:denials``  hash, ``<endpoint>@<environment>`` -> ``<how long its last stop was, in ms>:<until in ms>``, while denied
- ``{user}:rebuild``  who is rebuilding the others

and of one internet address, shared by every user that calls from it:

- ``at:{address}:calls:<name>``  as ``calls``, for an endpoint with a limit of its own, without ``ready``
- ``at:{address}:halts``         as ``halts``, endpoints only

``ready`` has score 0 and is in the same set whose completeness it confirms: if the calls are lost, it is lost too. Time is
Redis' own unless the caller passes one, so that all processes agree on it.
"""

READY = "ready"

NOW = """
local function milliseconds(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
"""

# How many calls of the hour a lane may use, and the limit this is computed from: the setting, or a lower one from a 429.
_CAPACITY = """
local function standing_limit(key, setting, now)
  local learnt = redis.call('HMGET', key, 'calls', 'until')
  if learnt[1] and tonumber(learnt[2]) > now then return math.min(setting, tonumber(learnt[1])) end
  return setting
end
local function capacity(limit, margin, share)
  return math.floor(math.max(1, limit - margin) * share / 100)
end
local function ends(halt)
  local instant, reason = string.match(halt, '^(%d+):(.*)$')
  return tonumber(instant), reason
end
"""

# KEYS calls, halts, limit, calls of the endpoint at the address, halts at the address, denials; ARGV take or peek, how
# many, window in ms, the user's limit, margin, share of the lane in per cent, endpoint, limit of the endpoint or -1, now in
# ms or '', the endpoint's scope in its environment, and as many ledger ids as calls to take.
# Answers {'admitted', now, how many: the first ids of that number, 1 if access was denied last} | {'wiped'} | {'halted', ms
# left, reason} of the longest stop | {'full', ms until one is free}.
#
# An id that already exists was added by a rebuild that read its ledger row: it is removed first, so that it is counted
# once, and so that running this again after a lost answer changes nothing. Expired calls are only excluded from the count,
# and are removed when a call is added: a refusal writes nothing.
ADMIT = (
    NOW
    + _CAPACITY
    + """
if not redis.call('ZSCORE', KEYS[1], 'ready') then return {'wiped'} end
local take, room, window, endpoint = ARGV[1] == 'take', tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[7]
local now = milliseconds(ARGV[9])
local since = string.format('%.0f', now - window)
if take then
  for index = 11, #ARGV do
    redis.call('ZREM', KEYS[1], ARGV[index])
    redis.call('ZREM', KEYS[4], ARGV[index])
  end
end
local over, why = now, ''
for _, place in ipairs({{KEYS[2], '*'}, {KEYS[2], endpoint}, {KEYS[2], ARGV[10]}, {KEYS[5], endpoint}}) do
  local halt = redis.call('HGET', place[1], place[2])
  if halt then
    local instant, reason = ends(halt)
    if instant > over then over, why = instant, reason end
  end
end
if over > now then return {'halted', over - now, why} end
local limit = standing_limit(KEYS[3], tonumber(ARGV[4]), now)
local allowed = capacity(limit, tonumber(ARGV[5]), tonumber(ARGV[6]))
for _, rule in ipairs({{KEYS[1], allowed}, {KEYS[4], tonumber(ARGV[8])}}) do
  local key, most = rule[1], rule[2]
  if most >= 0 then
    local used = redis.call('ZCOUNT', key, '(' .. since, '+inf')
    if used >= most then
      local last = redis.call('ZRANGEBYSCORE', key, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', used - most, 1)
      local wait = window
      if last[2] then wait = tonumber(last[2]) + window - now end
      return {'full', wait}
    end
    room = math.min(room, most - used)
  end
end
if take then
  local own = tonumber(ARGV[8]) >= 0
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(0', since)
  if own then redis.call('ZREMRANGEBYSCORE', KEYS[4], '(0', since) end
  for index = 11, 10 + room do
    redis.call('ZADD', KEYS[1], now, ARGV[index])
    if own then redis.call('ZADD', KEYS[4], now, ARGV[index]) end
  end
end
return {'admitted', now, room, redis.call('HEXISTS', KEYS[6], ARGV[10])}
"""
)

# KEYS calls, halts, limit, halts at the address; ARGV window in ms, the user's limit, margin, share of bulk in per cent,
# now in ms or '', number of calls to estimate or 0, share of their lane in per cent, and the scopes of stops that they have
# to wait for.
# Answers {'wiped'} | {'state', now, used, instant of the oldest counted or 0, halts of the user as a flat list, those at
# the address, limit in force, calls left for urgent work, for bulk, instant at which a learnt limit ends or 0, calls
# counted when it was learnt, instant of the last estimated call or -1, instants at which the budget has room for the next
# urgent and the next bulk call or -1}.
#
# The estimate assumes that no one else calls. A lane that may use `allowed` calls makes one whenever one of those counted
# above that number expires, and the next one a window after each of its own. So the n-th leaves whole windows after one of
# the first `allowed`, and none of these before the stops are over.
STATE = (
    NOW
    + _CAPACITY
    + """
if not redis.call('ZSCORE', KEYS[1], 'ready') then return {'wiped'} end
local window, setting, margin = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now, wanted = milliseconds(ARGV[5]), tonumber(ARGV[6])
local since = string.format('%.0f', now - window)
local over = redis.call('ZCOUNT', KEYS[1], '-inf', since)
local used = redis.call('ZCARD', KEYS[1]) - over
local function counted_at(index)
  return tonumber(redis.call('ZRANGE', KEYS[1], over + index, over + index, 'WITHSCORES')[2])
end
local oldest = 0
if used > 0 then oldest = counted_at(0) end
local limit = standing_limit(KEYS[3], setting, now)
local learnt_until, learnt_of = 0, 0
if limit < setting then
  local learnt = redis.call('HMGET', KEYS[3], 'until', 'counted')
  learnt_until, learnt_of = tonumber(learnt[1]), tonumber(learnt[2])
end
local urgent, bulk = capacity(limit, margin, 100), capacity(limit, margin, tonumber(ARGV[4]))
local function room_at(allowed, number)
  if allowed < 1 then return -1 end
  local index = (number - 1) % allowed + used - allowed
  if index < 0 then return now end
  return counted_at(index) + window
end
local last = -1
local allowed = capacity(limit, margin, tonumber(ARGV[7]))
if wanted > 0 and allowed > 0 then
  last = room_at(allowed, wanted)
  for scope = 7, #ARGV do
    for _, key in ipairs({KEYS[2], KEYS[4]}) do
      local halt = redis.call('HGET', key, scope == 7 and '*' or ARGV[scope])
      if halt then last = math.max(last, (ends(halt))) end
    end
  end
  last = last + math.floor((wanted - 1) / allowed) * window
end
return {'state', now, used, oldest, redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[4]), limit,
  math.max(0, urgent - used), math.max(0, bulk - used), learnt_until, learnt_of, last, room_at(urgent, 1), room_at(bulk, 1)}
"""
)

# KEYS halts; ARGV scope, ms, reason, now in ms or ''. The later end applies.
HALT = (
    NOW
    + """
local ends = milliseconds(ARGV[4]) + tonumber(ARGV[2])
local halt = redis.call('HGET', KEYS[1], ARGV[1])
if halt and tonumber(string.match(halt, '^(%d+):')) >= ends then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', ends) .. ':' .. ARGV[3])
return 1
"""
)

# KEYS halts, denials; ARGV scope, reason, how long the first stop is in ms, the longest, how long after a stop's end
# another denial still continues the sequence, now in ms or ''. Answers {ms that the stop lasts from now on, 1 if this set
# it, 1 if the denial is a new one}.
#
# Calls in flight at the same time are denied together: the first of them sets the stop.
DENY = (
    NOW
    + """
local now, first, longest = milliseconds(ARGV[6]), tonumber(ARGV[3]), tonumber(ARGV[4])
local denial, lasts, is_new = redis.call('HGET', KEYS[2], ARGV[1]), first, 1
if denial then
  local lasted, over = string.match(denial, '^(%d+):(%d+)$')
  if tonumber(over) > now then return {tonumber(over) - now, 0, 0} end
  if now - tonumber(over) < tonumber(ARGV[5]) then lasts, is_new = math.min(2 * tonumber(lasted), longest), 0 end
end
local over = string.format('%.0f', now + lasts)
redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', lasts) .. ':' .. over)
redis.call('HSET', KEYS[1], ARGV[1], over .. ':' .. ARGV[2])
return {lasts, 1, is_new}
"""
)

# KEYS calls, limit; ARGV hour in ms, the user's limit, how long the first lowering lasts in ms, the longest, now in ms or
# '', instant at which the refused call was admitted.
# Answers {} when the limit stays, else {the limit now, calls counted up to the refused one, ms that it still lasts}.
#
# Several calls may be in flight when the limit is reached, and each of them gets a 429: within one hour, the lowest count
# applies. A limit below half of the one in force is not believed immediately: if so few calls get a 429, it probably has
# another cause. A lowering soon after another lasts twice as long.
LOWER = (
    NOW
    + _CAPACITY
    + """
local hour, setting, now, refused = tonumber(ARGV[1]), tonumber(ARGV[2]), milliseconds(ARGV[5]), tonumber(ARGV[6])
local learnt = redis.call('HMGET', KEYS[2], 'at', 'until', 'lasts', 'stood', 'calls')
local at, till, lasts = tonumber(learnt[1] or 0), tonumber(learnt[2] or 0), tonumber(learnt[3] or 0)
local is_first = now - at >= hour
local stood = standing_limit(KEYS[2], setting, now)
if not is_first and learnt[4] then stood = tonumber(learnt[4]) end
local counted = redis.call('ZCOUNT', KEYS[1], string.format('(%.0f', refused - hour), ARGV[6])
local calls = math.max(1, math.min(stood - 1, math.max(counted - 1, math.floor(stood / 2))))
if is_first then
  if lasts > 0 and now < till + lasts then lasts = math.min(2 * lasts, tonumber(ARGV[4])) else lasts = tonumber(ARGV[3]) end
  redis.call('HSET', KEYS[2], 'stood', stood, 'at', string.format('%.0f', now), 'lasts', string.format('%.0f', lasts),
    'until', string.format('%.0f', now + lasts))
  till = now + lasts
elseif calls >= tonumber(learnt[5]) then
  return {}
end
redis.call('HSET', KEYS[2], 'calls', calls, 'counted', counted)
return {calls, counted, till - now}
"""
)

# KEYS calls, rebuild lock; ARGV who asks, ms to hold it. Answers 'whole' | 'held' (by another) | 'yours'.
#
# In one step, because the lock is valid only while ``ready`` is missing: then nothing is admitted, so the ledger as read
# under the lock is complete. If it was taken after another process's rebuild, it would overwrite later admissions.
BEGIN_REBUILD = """
if redis.call('ZSCORE', KEYS[1], 'ready') then return 'whole' end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 'yours' end
return 'held'
"""

# KEYS rebuild lock; ARGV who releases it.
ABANDON_REBUILD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

# KEYS calls, halts, limit, rebuild lock, halts at the address, then one calls key per endpoint limited at the address; ARGV
# who holds the lock, now in ms or '', number of attempts, number of halts, then per attempt (ledger id, age in ms, 1 if it
# is the user's, index of its endpoint's key or 0), then per halt (scope, ms left, reason, 1 if it is the user's, 1 if it is
# at the address), then the learnt limit, if there is one (calls, counted, age in ms, ms that it lasts).
# Answers 1 when done, 0 when another process has the lock: Redis was wiped again meanwhile, or this took too long.
#
# The address's values are only added to, never replaced: another user may be admitted there meanwhile.
RESTORE = (
    NOW
    + """
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return 0 end
local now = milliseconds(ARGV[2])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
local at = 5
for _ = 1, tonumber(ARGV[3]) do
  local score, own = now - tonumber(ARGV[at + 1]), tonumber(ARGV[at + 3])
  if ARGV[at + 2] == '1' then redis.call('ZADD', KEYS[1], score, ARGV[at]) end
  if own > 0 then redis.call('ZADD', KEYS[5 + own], score, ARGV[at]) end
  at = at + 4
end
local function stop(key, scope, left, reason)
  local ends = now + tonumber(left)
  local halt = redis.call('HGET', key, scope)
  if halt and tonumber(string.match(halt, '^(%d+):')) >= ends then return end
  redis.call('HSET', key, scope, string.format('%.0f', ends) .. ':' .. reason)
end
for _ = 1, tonumber(ARGV[4]) do
  if ARGV[at + 3] == '1' then stop(KEYS[2], ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
  if ARGV[at + 4] == '1' then stop(KEYS[5], ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
  at = at + 5
end
if ARGV[at] then
  local learnt_at, lasts = now - tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  redis.call('HSET', KEYS[3], 'calls', ARGV[at], 'counted', ARGV[at + 1], 'at', string.format('%.0f', learnt_at),
    'until', string.format('%.0f', learnt_at + lasts), 'lasts', string.format('%.0f', lasts))
end
redis.call('ZADD', KEYS[1], 0, 'ready')
redis.call('DEL', KEYS[4])
return 1
"""
)
