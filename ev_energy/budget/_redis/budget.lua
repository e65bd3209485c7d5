-- One allowance of requests, kept for all who share it. Runs whole or not at all.
--
-- KEYS[1] is a sorted set, ARGV[1] a JSON object: see `Question` and `Answer` in _script.py.
--
-- The score of a member is the moment it is over, in microseconds of this server's clock. Requests
-- are the positive side: each is a member and counts until then. All the rest is the negative
-- side: few, read whole every time, and what never ends is at minus infinity:
--
--   epoch ID CREATED            which life of this key it is: another one means that it was lost
--   limit N|none                what the API stated last
--   word                        over a window after the API last stated something
--   blocked                     over when the API wants to see us again
--   recovering                  over when everybody had the time to report what they hold
--   lease PROCESS N LEFT        set aside; prolonged for as long as the process lives
--   turn PROCESS RANK SINCE N   a process waits for N
--   other SLOT N                requests of unknown origin, by when they are guessed to leave
--   clock                       the time of the last call, kept `FAR` ahead of it
--
-- So what is over lies between minus and plus now. Everything that is told is absolute, so that
-- a call whose reply was lost can be made again.
--
-- What is read here is not trusted: another version, or an operator, may have written it. A member
-- that cannot be read is removed, amounts are whole numbers of which no kind adds up to more than
-- `MOST`, and nothing ends later than it could if it were written now. So no value in this key can
-- stop its users for longer than that. No loop runs as often as an amount says: Redis serves
-- no other client while a script runs.

local key, ask = KEYS[1], cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local USUAL, MOST = 1000, 1000000
local SLOTS = 64 -- how finely requests of others are told apart
local FAR = 1000000000000000 -- microseconds: 31 years, so that the mark of the clock is never over
local SLACK = 1000000 -- microseconds by which a clock may step back without anything being done

local function micros(seconds) return math.floor(seconds * 1000000 + 0.5) end
local function text(number) return string.format('%.0f', number) end

local window, hold, alive = micros(ask.window), micros(ask.hold), micros(ask.lease)
local horizon = now + math.max(window, alive) + hold -- nothing written now ends later

local refusal = window + window / 3600 -- how long a 429 stops all at most: `blocked_seconds`

local function number(word)
  local found = tonumber(word)
  if found and found == found then return found end -- NaN is unequal to itself
end

-- The amount in a word: a whole number between 0 and `most`. Redis takes no others for `LIMIT`.
local function amount(word, most)
  local found = number(word)
  return found and math.floor(math.max(0, math.min(found, most)))
end

-- If the clock was set back since the last call, or this is another server after a failover, all
-- moments are moved along with it. Otherwise everything would last longer by that much.
local mark = tonumber(redis.call('ZSCORE', key, 'clock') or nil)
local back = mark and -mark - FAR - now or 0
if back > SLACK and back < math.huge then
  local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #all, 2 do
    local member, score = all[i], tonumber(all[i + 1])
    if score > 0 then score = math.max(1, score - back) else score = math.min(-1, score + back) end
    local words = {}
    for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
    local place = words[1] == 'epoch' and 3 or words[1] == 'turn' and 4
    if place and number(words[place]) then
      redis.call('ZREM', key, member)
      words[place] = text(number(words[place]) - back)
      member = table.concat(words, ' ')
    end
    redis.call('ZADD', key, score == -math.huge and '-inf' or text(score), member)
  end
end

-- Requests that are over stay for a little: a reply may be about the time when they counted.
redis.call('ZREMRANGEBYSCORE', key, text(-now), text(now - hold))

local function put(ends, member) redis.call('ZADD', key, text(-ends), member) end
local function put_for_ever(member) redis.call('ZADD', key, '-inf', member) end
local function drop(member) redis.call('ZREM', key, member) end
local function count(from, to) return redis.call('ZCOUNT', key, from, to) end

-- The negative side.
local epoch, created, limit, said, blocked, recovering
local leases, turns, others = {}, {}, {}
local leased, awaited, guessed = 0, 0, 0
local LASTING = { epoch = true, limit = true, clock = true }
local KINDS = { epoch = true, limit = true, lease = true, turn = true, other = true }
local rest = redis.call('ZRANGEBYSCORE', key, '-inf', '(' .. text(-now), 'WITHSCORES')
for i = 1, #rest, 2 do
  local member, ends, words = rest[i], -tonumber(rest[i + 1]), {}
  for word in string.gmatch(member, '%S+') do words[#words + 1] = word end
  local kind = words[1]
  local latest = kind == 'blocked' and now + refusal or horizon
  if ends > latest and not LASTING[kind] then
    ends = latest
    put(ends, member)
  end
  if kind == 'epoch' and words[2] and not epoch then
    epoch, created = words[2], math.min(number(words[3]) or now, now)
  elseif kind == 'limit' and not limit and (words[2] == 'none'
    or (amount(words[2], MOST) or 0) >= 1 and text(amount(words[2], MOST)) == words[2]) then
    limit = words[2]
  elseif kind == 'word' then said = math.min(ends - window, now)
  elseif kind == 'blocked' then blocked = ends
  elseif kind == 'recovering' then recovering = ends
  elseif kind == 'lease' and words[3] and number(words[4]) then
    local left = amount(words[4], MOST - leased)
    leased = leased + left
    leases[#leases + 1] = { member = member, process = words[2], number = words[3], left = left }
  elseif kind == 'turn' and number(words[3]) and number(words[4]) and number(words[5]) then
    local want = amount(words[5], MOST - awaited)
    awaited = awaited + want
    turns[#turns + 1] = {
      member = member, process = words[2], rank = number(words[3]),
      since = math.min(number(words[4]), now),
      want = want,
    }
  elseif kind == 'other' and number(words[3]) then
    local left = amount(words[3], MOST - guessed)
    guessed = guessed + left
    others[#others + 1] = { member = member, ends = ends, left = left }
  elseif KINDS[kind] then drop(member) end
end
local late = redis.call(
  'ZRANGEBYSCORE', key, '(' .. text(horizon), '+inf', 'LIMIT', 0, 10000)
for _, id in ipairs(late) do redis.call('ZADD', key, text(horizon), id) end
table.sort(others, function(a, b) return a.ends < b.ends end)

-- Was this key lost since the process saw it last? Then it is asked what it holds, and nobody
-- gets anything until the others who are alive were asked, too.
local lost = false
if not epoch then
  epoch, created, lost = ask.fresh, now, ask.epoch ~= nil
  put_for_ever('epoch ' .. epoch .. ' ' .. text(now))
elseif ask.epoch and ask.epoch ~= epoch then
  lost = true
end
if lost and now < created + alive then
  recovering = created + alive
  put(recovering, 'recovering')
end

local reply = { epoch = epoch }

local function finish()
  put(now + FAR, 'clock')
  local keep = math.max(2 * window + hold, (blocked or now) - now) + alive
  redis.call('PEXPIRE', key, text(math.ceil(keep / 1000)))
  return cjson.encode(reply)
end

if lost then
  reply.lost = true
  return finish()
end

-- What became of requests.
for _, id in ipairs(ask.returned or {}) do drop(id) end
for _, id in ipairs(ask.pending or {}) do
  redis.call('ZADD', key, text(now + hold + window), id)
end
for _, item in ipairs(ask.settled or {}) do
  local ends = now - micros(item[2]) + window
  if ends > now - hold then redis.call('ZADD', key, text(ends), item[1]) else drop(item[1]) end
end

-- What the API said.
local held = 0
for _, other in ipairs(others) do held = held + other.left end

local function add_others(number, ends)
  local slot = math.ceil(ends / (window / SLOTS))
  others[#others + 1] = { slot = slot, ends = math.ceil(slot * (window / SLOTS)), left = number }
end

local function forget_others(number)
  for _, other in ipairs(others) do
    local gone = math.min(number, other.left)
    other.left, number, held = other.left - gone, number - gone, held - gone
  end
end

local function write_others()
  local written = {}
  for _, other in ipairs(others) do
    if other.member then drop(other.member) end
    local slot = other.slot or math.floor(other.ends / (window / SLOTS) + 0.5)
    local ends = math.ceil(slot * (window / SLOTS))
    if other.left > 0 then
      local same = written[slot]
      if same then same.left = same.left + other.left
      else written[slot] = { slot = slot, ends = ends, left = other.left } end
    end
  end
  others = {}
  for slot, other in pairs(written) do
    other.member = 'other ' .. text(slot) .. ' ' .. text(other.left)
    put(other.ends, other.member)
    others[#others + 1] = other
  end
  table.sort(others, function(a, b) return a.ends < b.ends end)
end

local stated = ask.stated
if stated then
  local allowed = math.max(1, math.min(stated.limit, MOST)) -- with none, nobody would ask again
  if limit ~= text(allowed) then
    if limit then drop('limit ' .. limit) end
    limit = text(allowed)
    put_for_ever('limit ' .. limit)
  end
  local age = micros(stated.age)
  local since = now - age
  if age <= hold then
    local used = math.max(0, allowed - stated.remaining)
    -- At most all that counted when it was sent; at least those whose replies had come by then.
    local possible = count('(' .. text(since), '+inf')
    local certain = count('(' .. text(now + age), '(' .. text(since + window)) + 1
    local missing = used - possible - held
    local surplus = held - math.max(0, used - certain)
    if missing > 0 then
      local start = math.max(said or 0, now - window)
      local parts = math.min(missing, SLOTS)
      for n = 1, parts do
        local part = math.floor(missing * n / parts) - math.floor(missing * (n - 1) / parts)
        add_others(part, start + (now - start) * n / parts + window)
      end
      held = held + missing
      write_others()
    elseif surplus > 0 then
      forget_others(surplus)
      write_others()
    end
    put(now + window, 'word')
  end
elseif ask.unstated and not limit then
  limit = 'none'
  put_for_ever('limit none')
end

-- How many there may be.
local most = ask.most
local allowed
if limit == nil then allowed = most or USUAL
elseif limit == 'none' then allowed = most
else allowed = math.min(tonumber(limit), most or MOST) end

-- What is set aside. A process says every time what it has; what it does not name has ended. None of
-- it grows beyond what is free: either the process was held for dead, and others were given some,
-- or a call that lowered it was carried out and its reply was lost.
local reserved, mine = 0, {}
for _, lease in ipairs(leases) do
  if lease.process == ask.me then
    mine[lease.number] = lease.left
    drop(lease.member)
  else
    reserved = reserved + lease.left
  end
end
local used = count('(' .. text(now), '+inf') + held
local function keep_lease(number, left)
  reserved = reserved + left
  put(now + alive, 'lease ' .. ask.me .. ' ' .. number .. ' ' .. text(left))
end
for _, lease in ipairs(ask.leases or {}) do reserved = reserved + (mine[text(lease[1])] or 0) end
for _, lease in ipairs(ask.leases or {}) do
  local number, left = text(lease[1]), lease[2]
  local kept = mine[number] or 0
  if left > kept and not ask.report and allowed then
    left = math.min(left, kept + math.max(0, allowed - used - reserved))
  end
  if not mine[number] and not ask.report and allowed or left < lease[2] then
    reply.leases = reply.leases or {}
    table.insert(reply.leases, { lease[1], left })
  end
  reserved = reserved - kept
  if left > 0 then keep_lease(number, left) end
end

if ask.blocked then
  blocked = math.max(blocked or 0, now + math.min(micros(ask.blocked), refusal))
  put(blocked, 'blocked')
  if allowed and used + reserved >= allowed and held > 0 and others[1].ends > blocked then
    forget_others(1) -- one will be free by then
    held = held + 1
    add_others(1, blocked - window / SLOTS)
    write_others()
  end
end

-- When the ones leave that are first to leave: the moments number `from` to `to`.
local function leaving(from, to)
  local found, seen = {}, 0
  local first, number = from - 1, to - from + 1
  if #others > 0 then first, number = 0, to end
  local ends = redis.call(
    'ZRANGEBYSCORE', key, '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', first, number)
  if #others == 0 then
    for i = 2, #ends, 2 do found[#found + 1] = tonumber(ends[i]) end
    return found
  end
  local i, n = 2, 1
  while seen < to and (i <= #ends or n <= #others) do
    local own = i <= #ends and tonumber(ends[i]) or math.huge
    local at, leave
    if n <= #others and others[n].ends <= own then
      at, leave, n = others[n].ends, others[n].left, n + 1
    else
      at, leave, i = own, 1, i + 2
    end
    for _ = math.max(from, seen + 1), math.min(to, seen + leave) do found[#found + 1] = at end
    seen = seen + leave
  end
  return found
end

local gate = math.max(recovering or 0, blocked or 0, now)

-- Seconds until `first`, then one more, up to `last` are free besides those that are now.
local function waits(first, last)
  local found = {}
  local moments = {}
  if allowed and last > 0 then moments = leaving(math.max(first, 1), last) end
  local latest = gate
  for missing = first, last do
    local at = gate
    if allowed and missing > 0 then
      at = moments[missing - math.max(first, 1) + 1] or now + window
    end
    latest = math.max(latest, at)
    found[#found + 1] = (latest - now) / 1000000
  end
  return found
end

-- Whose turn it is.
local since = now - micros(ask.waited or 0)
for _, turn in ipairs(turns) do
  if turn.process == ask.me then drop(turn.member) end
end
local ahead = 0
for _, turn in ipairs(turns) do
  if turn.process ~= ask.me and ask.rank
    and (turn.rank < ask.rank or (turn.rank == ask.rank and turn.since <= since)) then
    ahead = ahead + turn.want
  end
end

local function free()
  if gate > now then return 0 end
  if not allowed then return math.huge end
  return allowed - used - reserved - ahead
end

local function wait_in_turn(want, patience)
  put(now + micros(math.min(patience, ask.nap)) + micros(ask.grace),
    'turn ' .. ask.me .. ' ' .. text(ask.rank) .. ' ' .. text(since) .. ' ' .. text(want))
end

if ask.wanted then
  local granted, open = {}, 0
  for index, id in ipairs(ask.wanted) do
    local has = redis.call('ZSCORE', key, id) -- the reply that said so was lost
    if not has and free() >= 1 then
      redis.call('ZADD', key, text(now + hold + window), id)
      used, has = used + 1, true
    end
    if has then granted[#granted + 1] = index - 1 else open = open + 1 end
  end
  if #granted > 0 then reply.granted = granted end
  if open > 0 then
    local missing = allowed and used + reserved + ahead - allowed or 0
    reply.waits = waits(missing + 1, missing + open)
    wait_in_turn(open, reply.waits[1])
  end
elseif ask.set_aside then
  local number, size = text(ask.set_aside[1]), ask.set_aside[2]
  if allowed and size > allowed then
    reply.too_many = true
  elseif mine[number] or free() >= size then
    keep_lease(number, size)
    reply.granted = { 0 }
  else
    local missing = allowed and used + reserved + ahead + size - allowed or 0
    reply.waits = waits(missing, missing)
    wait_in_turn(size, reply.waits[1])
  end
end

if allowed then
  reply.limit = allowed
  reply.remaining = math.max(0, allowed - used - reserved)
  reply.reserved = reserved
  local missing = used + reserved - allowed + 1
  reply.wait = waits(missing, missing)[1]
end
return finish()
