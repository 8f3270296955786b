--- object_removal_spec: who finds, fills, refreshes, purges and evicts at once, and is killed so.

local ffi = require "ffi"
local objects = require "spec.support.objects"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = objects.C
local WORKERS = 4
-- MOONGATE_KILLS: how many workers are killed in all.
local ROUNDS = tonumber(os.getenv "MOONGATE_KILLS" or 40) / WORKERS
local KEYS = 100

describe("an object store", function()
  local store, seen

  before_each(function()
    store = objects.new(262144)
    seen = ffi.cast("volatile int64_t *", C.segment_allot(objects.segment, "seen", 1, 4096))
  end)
  after_each(function() objects.finish() end)

  -- A body tells its key and length in each of its bytes: whoever reads another one has read it
  -- from pages that somebody else has written to.
  local function body_of(key, length) return (("%02d"):format(key)):rep(length) end

  local function is_whole(view, hold, key, least)
    local body = objects.body(view, hold)
    return #body >= least and body == body_of(key, #body / 2)
  end

  local function fill(view, key, random)
    local filled, fill_of = objects.claim(view, "key " .. key)
    if filled ~= "done" then return end
    local tags = { tags = { "tag " .. key % 3 } }
    if random % 5 == 0 then objects.vary(view, fill_of, "rules", "variant " .. random % 4) end
    filled = objects.head(view, fill_of, ("m"):rep(random % 3000), tags)
    for _ = 1, random % 6 do
      if filled == "done" then filled = objects.append(view, fill_of, body_of(key, 700)) end
    end
    if filled ~= "done" or random % 11 == 0 then
      C.object_fill_abort(view, fill_of)
    elseif random % 13 == 0 then
      C.object_fill_uncache(view, fill_of, objects.now + 1)
    else
      C.object_fill_complete(view, fill_of)
    end
  end

  local function refresh(view, hold, key, random)
    local is_ours, refreshing = objects.refresh(view, hold)
    if not is_ours then return end
    if random % 3 == 0 then
      objects.refresh_done(view, refreshing, ("n"):rep(random % 3000))
    elseif random % 3 == 1 then
      C.object_fill_refresh_give_up(view, refreshing)
    else
      local filled, fill_of = objects.refresh_replace(view, refreshing)
      if filled ~= "done" then return C.object_fill_refresh_give_up(view, refreshing) end
      filled = objects.head(view, fill_of, "head")
      if filled == "done" then filled = objects.append(view, fill_of, body_of(key, 100)) end
      if filled == "done" then
        C.object_fill_complete(view, fill_of)
      else
        C.object_fill_abort(view, fill_of)
      end
    end
  end

  local function purge(view, key, random)
    local kind = random % 2 == 0 and C.OBJECT_PURGE_HARD or C.OBJECT_PURGE_SOFT
    if random % 3 == 0 then
      C.object_purge_key(view, objects.key("key " .. key), kind)
    elseif random % 3 == 1 then
      C.object_purge_tag(view, runtime.slice("tag " .. key % 3), kind)
    else
      C.object_purge_prefix(view, runtime.slice("key " .. key), kind)
      local scan = ffi.new "struct object_purge_scan"
      while C.object_purge_continue(view, scan, 16) do end
    end
  end

  local function read_variant(view, marker, key, random)
    local found, hold = objects.find_variant(view, marker, "variant " .. random % 4)
    if found == "missing" or found == "passed" then return true end
    local right = is_whole(view, hold, key, 0)
    objects.release(view, hold)
    return right
  end

  -- One step of what a worker does; whether all that it read was right.
  local function step(view, held, random)
    local key = random % KEYS
    local found, hold = objects.find(view, "key " .. key)
    local right = true
    if found == "missing" or found == "passed" then
      fill(view, key, math.floor(random / KEYS))
    elseif found == "varies" then
      right = read_variant(view, hold, key, random)
      objects.release(view, hold)
    else
      right = is_whole(view, hold, key, 0)
      if random % 7 == 0 and found == "complete" then
        refresh(view, hold, key, math.floor(random / 7))
      end
      held[#held + 1] = { hold, key, #(objects.body(view, hold)) }
      if #held > 4 then
        local last = table.remove(held, 1 + random % 4)
        right = right and is_whole(view, last[1], last[2], last[3])
        objects.release(view, last[1])
      end
    end
    if random % 97 == 0 then purge(view, key, math.floor(random / 97)) end
    return right
  end

  local function work(view, lane, seed, steps)
    local held, random = {}, seed
    for i = 1, steps do
      random = (random * 1103515245 + 12345) % 2147483648
      local right = step(view, held, math.floor(random / 16))
      if not right then seen[16 + lane] = seen[16 + lane] + 1 end
      seen[lane] = i
    end
    for _, entry in ipairs(held) do objects.release(view, entry[1]) end
  end

  local function wrongs()
    local sum = 0
    for lane = 1, WORKERS do sum = sum + tonumber(seen[16 + lane]) end
    return sum
  end

  local function empty(view)
    C.object_purge_all(view, C.OBJECT_PURGE_HARD)
    local scan = ffi.new "struct object_purge_scan"
    while C.object_purge_continue(view, scan, 1000) do end
    return tonumber(objects.usage(view).pages)
  end

  it("is right while many work on it", function()
    local crowd = {}
    for lane = 1, WORKERS do
      crowd[lane] = process.fork(function() work(objects.view(lane), lane, lane * 7919, 3000) end)
    end
    for lane = 1, WORKERS do assert.equal(0, crowd[lane]:wait(60)) end
    assert.equal(0, wrongs())
    objects.check(store)
    assert.is_true(objects.count(store, "EVICTED") > 0)
    assert.equal(0, empty(store))
  end)

  it("is right while workers are killed wherever they are", function()
    local master = objects.view(0)
    for round = 1, ROUNDS do
      local victims = {}
      for lane = 1, WORKERS do
        seen[lane] = 0
        victims[lane] = process.fork(function()
          work(objects.view(lane), lane, lane * 7919 + round * 104729, 1e9)
        end)
      end
      for lane = 1, WORKERS do
        local deadline = system.now() + 30
        while seen[lane] < 20 + round % 50 do
          assert(system.now() < deadline, "a worker did not begin in time")
          system.sleep(0.0002)
        end
      end
      for lane = 1, WORKERS do
        victims[lane]:kill()
        C.object_store_forget_lane(master, lane)
      end
      assert.equal(0, wrongs(), "in round " .. round)
      objects.check(master)
    end
    assert.equal(0, empty(master))
  end)
end)
