-- One allowance of requests, shared by all processes that use it. The script runs atomically.
--
-- KEYS[1] is a sorted set, ARGV[1] a `ScriptRequest` in JSON; the result is a `ScriptReply` (both
-- in script.py).
--
-- The score of a member is the moment at which it expires, in microseconds of this server's clock.
-- Requests have positive scores: each is a member that counts until then. All other members have
-- negative scores; they are few and are read completely by every call. Members that never expire
-- have a score of minus infinity:
--
--   epoch ID CREATED            the generation of this key: a new one means that the key was lost
--   limit N|none                the limit that the API stated last
--   synced                      expires a window after the API last stated its limit
--   blocked                     expires when the API accepts requests again
--   recovering                  expires when all processes have had the time to report their state
--   reservation PROCESS N LEFT  reserved capacity; prolonged as long as the process lives
--   lease PROCESS LEFT CALL     capacity for the next requests of a process, as its call of that
--                               number left it; expires a window after it ends
--   waiter PROCESS RANK SINCE N a process that waits for N requests
--   foreign SLOT N              requests of unknown origin, by the moment of their assumed expiry
--   clock                       the time of the last call, plus `CLOCK_OFFSET`
--
-- So all expired members have scores between minus and plus now. Requests to this script state
-- absolute facts, never changes, so that a call whose reply was lost can be repeated.
--
-- The content of the key is not trusted: another version, or an operator, may have written it. A
-- member that cannot be parsed is removed, amounts are whole numbers of which no kind adds up to
-- more than `MAX_AMOUNT`, and nothing expires later than it could if it were written now. So no
-- value in this key can stop its users for longer than that. No loop runs as often as an amount
-- says: Redis serves no other client while a script runs.

local key, request = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local DEFAULT_LIMIT, MAX_AMOUNT = 1000, 1000000
local SLOTS = 64 -- the resolution, per window, at which foreign requests expire
local CLOCK_OFFSET = 1000000000000000 -- microseconds: 31 years, so that `clock` never expires
local LEASED_PART = 16 -- of the available requests, a process may lease one of this many
local LEASE_RETURN = 1000000 -- microseconds until a process that lives gives back its lease
local CLOCK_TOLERANCE = 1000000 -- microseconds: a smaller step back of the clock is not corrected

local function micros(seconds) return math.floor(seconds * 1000000 + 0.5) end
local function text(number) return string.format('%.0f', number) end

local window = micros(request.window)
local in_flight_ttl, heartbeat_ttl = micros(request.in_flight_ttl), micros(request.heartbeat_ttl)
-- Nothing that is written now expires later.
local latest_expiry = now + math.max(window, heartbeat_ttl) + in_flight_ttl

-- How long a refusal (429) holds back all calls at most: see `blocked_seconds` in _window.py.
local max_block = window + window / 3600

local function number(word)
  local found = tonumber(word)
  if found and found == found then return found end -- NaN is unequal to itself
end

-- Parse an amount: a whole number from 0 to `max`. Redis accepts no other numbers for `LIMIT`.
local function amount(word, max)
  local found = number(word)
  return found and math.floor(math.max(0, math.min(found, max)))
end

-- If the clock was set back since the last call, or a failover led to another server, all moments
-- are moved back by the same amount. Otherwise everything would last that much longer.
local clock = tonumber(redis.call('ZSCORE', key, 'clock') or nil)
local step_back = clock and -clock - CLOCK_OFFSET - now or 0
if step_back > CLOCK_TOLERANCE and step_back < math.huge then
  local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    local member, score = all[i], tonumber(all[i + 1])
    if score > 0 then score = math.max(1, score - step_back)
    else score = math.min(-1, score + step_back) end
    local words = {}
    for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
    local moment = words[1] == 'epoch' and 3 or words[1] == 'waiter' and 4
    if moment and number(words[moment]) then
      redis.call('ZREM', key, member)
      words[moment] = text(number(words[moment]) - step_back)
      member = table.concat(words, ' ')
    end
    redis.call('ZADD', key, score == -math.huge and '-inf' or text(score), member)
  end
end

-- Expired requests are kept a little longer: a reply may date from when they still counted.
redis.call('ZREMRANGEBYSCORE', key, text(-now), text(now - in_flight_ttl))

local function put(expires, member) redis.call('ZADD', key, text(-expires), member) end
local function put_permanent(member) redis.call('ZADD', key, '-inf', member) end
local function remove(member) redis.call('ZREM', key, member) end
local function count(from, to) return redis.call('ZCOUNT', key, from, to) end

-- Read the members with negative scores.
local epoch, created, limit, synced_at, blocked, recovering
local reservations, waiters, foreign = {}, {}, {}
local reserved_sum, waiting_sum, foreign_sum = 0, 0, 0
-- What this process has leased and by which call, its members, what the others have leased, and the
-- leases that ended without being given back.
local own_lease, own_call, own_leases, other_leases, lapsed = 0, 0, {}, 0, {}
local PERMANENT = { epoch = true, limit = true, clock = true }
local PARSED = {
  epoch = true, limit = true, reservation = true, lease = true, waiter = true, foreign = true,
}
local entries = redis.call('ZRANGEBYSCORE', key, '-inf', '(' .. text(-now), 'WITHSCORES')
for i = 1, #entries, 2 do
  local member, expires, words = entries[i], -tonumber(entries[i + 1]), {}
  for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
  local kind = words[1]
  local latest = kind == 'blocked' and now + max_block
    or kind == 'lease' and now + heartbeat_ttl + window or latest_expiry
  if expires > latest and not PERMANENT[kind] then
    expires = latest
    put(expires, member)
  end
  if kind == 'epoch' and words[2] and not epoch then
    epoch, created = words[2], math.min(number(words[3]) or now, now)
  elseif kind == 'limit' and not limit and (words[2] == 'none'
    or (amount(words[2], MAX_AMOUNT) or 0) >= 1
      and text(amount(words[2], MAX_AMOUNT)) == words[2]) then
    limit = words[2]
  elseif kind == 'synced' then synced_at = math.min(expires - window, now)
  elseif kind == 'blocked' then blocked = expires
  elseif kind == 'recovering' then recovering = expires
  elseif kind == 'reservation' and words[3] and number(words[4]) then
    local remaining = amount(words[4], MAX_AMOUNT - reserved_sum)
    reserved_sum = reserved_sum + remaining
    reservations[#reservations + 1] = {
      member = member, process = words[2], number = words[3], remaining = remaining,
    }
  elseif kind == 'lease' and words[2] and number(words[3]) then
    local left = amount(words[3], MAX_AMOUNT - own_lease - other_leases)
    if words[2] == request.process then
      own_leases[#own_leases + 1] = member
      own_call = math.max(own_call, number(words[4]) or 0)
      own_lease = own_lease + left
    elseif expires - window <= now then
      lapsed[#lapsed + 1] = { member = member, expires = expires, left = left }
    else
      other_leases = other_leases + left
    end
  elseif kind == 'waiter' and number(words[3]) and number(words[4]) and number(words[5]) then
    local wanted = amount(words[5], MAX_AMOUNT - waiting_sum)
    waiting_sum = waiting_sum + wanted
    waiters[#waiters + 1] = {
      member = member, process = words[2], rank = number(words[3]),
      since = math.min(number(words[4]), now),
      wanted = wanted,
    }
  elseif kind == 'foreign' and number(words[3]) then
    local remaining = amount(words[3], MAX_AMOUNT - foreign_sum)
    foreign_sum = foreign_sum + remaining
    foreign[#foreign + 1] = { member = member, expires = expires, remaining = remaining }
  elseif PARSED[kind] then remove(member) end
end
local too_late = redis.call(
  'ZRANGEBYSCORE', key, '(' .. text(latest_expiry), '+inf', 'LIMIT', 0, 10000)
for _, id in ipairs(too_late) do redis.call('ZADD', key, text(latest_expiry), id) end
table.sort(foreign, function(a, b) return a.expires < b.expires end)

-- If the key was lost since the process last saw it, the process is asked to report its state, and
-- nothing is granted until all other live processes have had the time to report theirs.
local lost = false
if not epoch then
  epoch, created, lost = request.new_epoch, now, request.epoch ~= nil
  put_permanent('epoch ' .. epoch .. ' ' .. text(now))
elseif request.epoch and request.epoch ~= epoch then
  lost = true
end
if lost and now < created + heartbeat_ttl then
  recovering = created + heartbeat_ttl
  put(recovering, 'recovering')
end

local reply = { epoch = epoch }

local function finish()
  put(now + CLOCK_OFFSET, 'clock')
  local keep = math.max(2 * window + in_flight_ttl, (blocked or now) - now) + heartbeat_ttl
  redis.call('PEXPIRE', key, text(math.ceil(keep / 1000)))
  return cjson.encode(reply)
end

if lost then
  reply.lost = true
  return finish()
end

-- Apply the outcomes of requests.
for _, id in ipairs(request.released or {}) do remove(id) end
for _, id in ipairs(request.in_flight or {}) do
  redis.call('ZADD', key, text(now + in_flight_ttl + window), id)
end
for _, item in ipairs(request.completed or {}) do
  local expires = now - micros(item[2]) + window
  if expires > now - in_flight_ttl then redis.call('ZADD', key, text(expires), item[1])
  else remove(item[1]) end
end

-- Apply the limit that the API stated.
local foreign_used = 0
for _, group in ipairs(foreign) do foreign_used = foreign_used + group.remaining end

local function add_foreign(number, expires)
  local slot = math.ceil(expires / (window / SLOTS))
  foreign[#foreign + 1] = {
    slot = slot, expires = math.ceil(slot * (window / SLOTS)), remaining = number,
  }
end

local function remove_foreign(number)
  for _, group in ipairs(foreign) do
    local removed = math.min(number, group.remaining)
    group.remaining, number = group.remaining - removed, number - removed
    foreign_used = foreign_used - removed
  end
end

local function write_foreign()
  local by_slot = {}
  for _, group in ipairs(foreign) do
    if group.member then remove(group.member) end
    local slot = group.slot or math.floor(group.expires / (window / SLOTS) + 0.5)
    local expires = math.ceil(slot * (window / SLOTS))
    if group.remaining > 0 then
      local same = by_slot[slot]
      if same then same.remaining = same.remaining + group.remaining
      else by_slot[slot] = { slot = slot, expires = expires, remaining = group.remaining } end
    end
  end
  foreign = {}
  for slot, group in pairs(by_slot) do
    group.member = 'foreign ' .. text(slot) .. ' ' .. text(group.remaining)
    put(group.expires, group.member)
    foreign[#foreign + 1] = group
  end
  table.sort(foreign, function(a, b) return a.expires < b.expires end)
end

-- A process that is dead, stopped or cut off may have used what it leased. So that counts like the
-- requests of others, until the API states that it was not used.
for _, lease in ipairs(lapsed) do
  local left = math.min(lease.left, MAX_AMOUNT - foreign_used)
  remove(lease.member)
  add_foreign(left, lease.expires)
  foreign_used = foreign_used + left
end
if #lapsed > 0 then write_foreign() end

local stated = request.rate_limit
if stated then
  -- A limit of 0 would prevent every later request.
  local allowed = math.max(1, math.min(stated.limit, MAX_AMOUNT))
  if limit ~= text(allowed) then
    if limit then remove('limit ' .. limit) end
    limit = text(allowed)
    put_permanent('limit ' .. limit)
  end
  local age = micros(stated.age)
  local since = now - age
  if age <= in_flight_ttl then
    local used = math.max(0, allowed - stated.remaining)
    -- The server counted at most all requests that counted when this one was sent, with those that
    -- other processes took from their leases and did not name yet, and at least those whose replies
    -- had arrived by then.
    local possible = count('(' .. text(since), '+inf') + other_leases
    local certain = count('(' .. text(now + age), '(' .. text(since + window)) + 1
    local missing = used - possible - foreign_used
    local surplus = foreign_used - math.max(0, used - certain)
    if missing > 0 then
      local start = math.max(synced_at or 0, now - window)
      local parts = math.min(missing, SLOTS)
      for n = 1, parts do
        local part = math.floor(missing * n / parts) - math.floor(missing * (n - 1) / parts)
        add_foreign(part, start + (now - start) * n / parts + window)
      end
      foreign_used = foreign_used + missing
      write_foreign()
    elseif surplus > 0 then
      remove_foreign(surplus)
      write_foreign()
    end
    put(now + window, 'synced')
  end
elseif request.unlimited and not limit then
  limit = 'none'
  put_permanent('limit none')
end

-- The limit that applies to this process; nil if there is none.
local local_limit = request.local_limit
local allowed
if limit == nil then allowed = local_limit or DEFAULT_LIMIT
elseif limit == 'none' then allowed = local_limit
else allowed = math.min(tonumber(limit), local_limit or MAX_AMOUNT) end

-- What the process has not taken of its lease. A call that is executed after a later one, since it
-- was repeated over another connection, states what is no longer true.
local stated_lease, is_late = request.lease or { 0, 0 }, own_call > request.call
if not is_late then own_lease = math.min(own_lease, stated_lease[1]) end

-- Update the reservations. A process names all its reservations in every call; those that it does
-- not name have ended. A reservation never grows beyond the available capacity: either the process
-- was considered dead and its capacity was granted to others, or the reply to a call that lowered
-- the reservation was lost.
local reserved, mine = other_leases + own_lease, {}
for _, reservation in ipairs(reservations) do
  if reservation.process == request.process then
    mine[reservation.number] = reservation.remaining
    remove(reservation.member)
  else
    reserved = reserved + reservation.remaining
  end
end
local used = count('(' .. text(now), '+inf') + foreign_used
local function put_reservation(number, remaining)
  reserved = reserved + remaining
  put(now + heartbeat_ttl,
    'reservation ' .. request.process .. ' ' .. number .. ' ' .. text(remaining))
end
for _, pair in ipairs(request.reservations or {}) do
  reserved = reserved + (mine[text(pair[1])] or 0)
end
for _, pair in ipairs(request.reservations or {}) do
  local number, remaining = text(pair[1]), pair[2]
  local stored = mine[number] or 0
  if remaining > stored and not request.is_report and allowed then
    remaining = math.min(remaining, stored + math.max(0, allowed - used - reserved))
  end
  if not mine[number] and not request.is_report and allowed or remaining < pair[2] then
    reply.reservations = reply.reservations or {}
    table.insert(reply.reservations, { pair[1], remaining })
  end
  reserved = reserved - stored
  if remaining > 0 then put_reservation(number, remaining) end
end

if request.blocked_for then
  blocked = math.max(blocked or 0, now + math.min(micros(request.blocked_for), max_block))
  put(blocked, 'blocked')
  if allowed and used + reserved >= allowed and foreign_used > 0
    and foreign[1].expires > blocked then
    remove_foreign(1) -- the server said that one request is available by then
    foreign_used = foreign_used + 1
    add_foreign(1, blocked - window / SLOTS)
    write_foreign()
  end
end

-- Return the moments number `from` to `to` at which requests expire, in order.
local function expiries(from, to)
  local found, seen = {}, 0
  local first, number = from - 1, to - from + 1
  if #foreign > 0 then first, number = 0, to end
  local own = redis.call(
    'ZRANGEBYSCORE', key, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', first, number)
  if #foreign == 0 then
    for i = 2, #own, 2 do found[#found + 1] = tonumber(own[i]) end
    return found
  end
  local i, n = 2, 1
  while seen < to and (i <= #own or n <= #foreign) do
    local own_expires = i <= #own and tonumber(own[i]) or math.huge
    local expires, expiring
    if n <= #foreign and foreign[n].expires <= own_expires then
      expires, expiring, n = foreign[n].expires, foreign[n].remaining, n + 1
    else
      expires, expiring, i = own_expires, 1, i + 2
    end
    for _ = math.max(from, seen + 1), math.min(to, seen + expiring) do
      found[#found + 1] = expires
    end
    seen = seen + expiring
  end
  return found
end

local earliest = math.max(recovering or 0, blocked or 0, now)

-- Leased requests are for calls that nothing holds back. A process is told to give them back once
-- another one waits, the API refuses requests, or the allowance no longer covers them. Until it says
-- how many it has not used, they remain leased: it may be using them.
local others_wait = false
for _, waiter in ipairs(waiters) do
  if waiter.process ~= request.process then others_wait = true end
end
local may_lease = not (is_late or others_wait or earliest > now)
  and (not allowed or used + reserved <= allowed)

-- Return the seconds until `first`, `first + 1`, ... `last` more requests than now are available.
-- First come those that are leased: their processes give them back soon, now that another waits.
local function waits(first, last)
  local found = {}
  local moments, leased = {}, other_leases + own_lease
  local from = math.max(first - leased, 1)
  if allowed and last > leased then moments = expiries(from, last - leased) end
  local latest = earliest
  for missing = first, last do
    local moment = earliest
    if allowed and missing > leased then
      moment = moments[missing - leased - from + 1] or now + window
    elseif allowed and missing > 0 then
      moment = now + math.min(LEASE_RETURN, heartbeat_ttl)
    end
    latest = math.max(latest, moment)
    found[#found + 1] = (latest - now) / 1000000
  end
  return found
end

-- Serve the waiters in order of rank, then by how long they have waited.
local since = now - micros(request.waited or 0)
for _, waiter in ipairs(waiters) do
  if waiter.process == request.process then remove(waiter.member) end
end
local ahead = 0
for _, waiter in ipairs(waiters) do
  if waiter.process ~= request.process and request.rank
    and (waiter.rank < request.rank or (waiter.rank == request.rank and waiter.since <= since)) then
    ahead = ahead + waiter.wanted
  end
end

local function available()
  if earliest > now then return 0 end
  if not allowed then return math.huge end
  return allowed - used - reserved - ahead
end

local function enqueue(wanted, wait)
  local next_check = math.min(wait, request.check_interval)
  put(now + micros(next_check) + micros(request.check_tolerance),
    'waiter ' .. request.process .. ' ' .. text(request.rank) .. ' ' .. text(since) .. ' '
      .. text(wanted))
end

if request.acquire then
  local granted, waiting = {}, 0
  for index, id in ipairs(request.acquire) do
    local has = redis.call('ZSCORE', key, id) -- granted before, in a reply that was lost
    if not has and available() >= 1 then
      redis.call('ZADD', key, text(now + in_flight_ttl + window), id)
      used, has = used + 1, true
    end
    if has then granted[#granted + 1] = index - 1 else waiting = waiting + 1 end
  end
  if #granted > 0 then reply.granted = granted end
  if waiting > 0 then
    local missing = allowed and used + reserved + ahead - allowed or 0
    reply.waits = waits(missing + 1, missing + waiting)
    enqueue(waiting, reply.waits[1])
  end
elseif request.reserve then
  local number, size = text(request.reserve[1]), request.reserve[2]
  if allowed and size > allowed then
    reply.exceeds_limit = true
  elseif mine[number] or available() >= size then
    put_reservation(number, size)
    reply.granted = { 0 }
  else
    local missing = allowed and used + reserved + ahead + size - allowed or 0
    reply.waits = waits(missing, missing)
    enqueue(size, reply.waits[1])
  end
end

if may_lease then
  local leased = stated_lease[2]
  if allowed then
    local available_here = math.max(0, allowed - used - reserved + own_lease)
    leased = math.min(leased, math.floor(available_here / LEASED_PART))
  end
  reply.leased = math.max(leased, own_lease)
  reserved = reserved + reply.leased - own_lease
  own_lease = reply.leased
end
if not is_late then
  for _, member in ipairs(own_leases) do remove(member) end
  if own_lease > 0 then
    put(now + heartbeat_ttl + window,
      'lease ' .. request.process .. ' ' .. text(own_lease) .. ' ' .. text(request.call))
  end
end

if allowed then
  reply.limit = allowed
  reply.remaining = math.max(0, allowed - used - reserved + own_lease)
  reply.reserved = reserved - own_lease - other_leases
  local missing = used + reserved - own_lease - allowed + 1
  reply.wait = waits(missing, missing)[1]
end
return finish()
