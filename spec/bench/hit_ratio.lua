--- hit_ratio: `./dev bench hits`: how often the store of answers has what is wanted, against LRU.
--
-- Requests are drawn, the same for both: objects of one page each, popular by Zipf's law, some of
-- them asked for once and never again, as most of what a content network sees is, or with a
-- popularity that changes. The store is the gateway's own, called through the FFI; LRU is a model
-- that has room for as many objects.

local ffi = require "ffi"
local jit = require "jit"
local runtime = require "spec.support.runtime"

local hit_ratio = {}

local C = runtime.include("shm/object_store.h", "shm/object_fill.h")
local PAGE_BYTES = 2048

local SHAPES = {
  { name = "Zipf 0.7", alpha = 0.7 },
  { name = "Zipf 0.9", alpha = 0.9 },
  { name = "Zipf 1.1", alpha = 1.1 },
  { name = "Zipf 0.9, a third asked for once", alpha = 0.9, once = 1 / 3 },
  { name = "Zipf 1.1, two thirds asked for once", alpha = 1.1, once = 2 / 3 },
  { name = "Zipf 0.9, popularity moves", alpha = 0.9, drift = 20 },
}

-- Ranks by Zipf's law, from the cumulated shares.
local function sampler(count, alpha)
  local sums, sum = ffi.new("double[?]", count), 0
  for i = 1, count do
    sum = sum + i ^ -alpha
    sums[i - 1] = sum
  end
  return function()
    local wanted, low, high = math.random() * sum, 0, count - 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < wanted then low = middle + 1 else high = middle end
    end
    return low
  end
end

-- The numbers of the objects that are asked for, one after the other.
local function draw(shape, objects, requests)
  local drawn, rank = ffi.new("uint32_t[?]", requests), sampler(objects, shape.alpha)
  local fresh = objects
  for i = 0, requests - 1 do
    if shape.once and math.random() < shape.once then
      drawn[i], fresh = fresh, fresh + 1
    else
      -- The most popular one is another after every so many requests.
      local moved = shape.drift and math.floor(i / requests * shape.drift) * 997 or 0
      drawn[i] = (rank() + moved) % objects
    end
  end
  return drawn, fresh
end

local function lru_hits(drawn, requests, numbers, room)
  local newer, older = ffi.new("int32_t[?]", numbers + 1), ffi.new("int32_t[?]", numbers + 1)
  local is_in, count, hits = ffi.new("bool[?]", numbers + 1), 0, 0
  newer[0], older[0] = 0, 0 -- the ends of the list
  local function remove(number)
    newer[older[number]], older[newer[number]] = newer[number], older[number]
  end
  for i = 0, requests - 1 do
    local number = drawn[i] + 1
    if is_in[number] then
      hits = hits + 1
      remove(number)
    else
      is_in[number], count = true, count + 1
      if count > room then
        local oldest = newer[0]
        is_in[oldest], count = false, count - 1
        remove(oldest)
      end
    end
    local newest = older[0]
    newer[newest], older[number], newer[number], older[0] = number, newest, 0, number
  end
  return hits
end

local function store_hits(drawn, requests, room)
  local segment, store = ffi.new "struct segment", ffi.new "struct object_store"
  local shape = ffi.new("struct object_store_shape", room * PAGE_BYTES, PAGE_BYTES, 1)
  assert(C.segment_init(segment, 1048576 + C.object_store_bytes(shape)))
  assert(C.object_store_init(store, segment, "objects", shape))
  C.object_store_attach(store, 0)
  local key, number = ffi.new "struct object_key", ffi.new "uint32_t[1]"
  key.bytes.start, key.bytes.length = ffi.cast("const char *", number), 4
  local hold, fill = ffi.new "struct object_hold", ffi.new "struct object_fill"
  local claim, head = ffi.new "struct object_claim", ffi.new "struct object_head"
  head.body_bytes = 0
  local hits, seconds = 0, os.clock()
  for i = 0, requests - 1 do
    number[0] = drawn[i]
    if C.object_store_find(store, key, 1, hold) == C.OBJECT_COMPLETE then
      hits = hits + 1
      C.object_store_release(store, hold)
    elseif C.object_fill_claim(store, key, claim, fill) == C.OBJECT_DONE then
      assert(C.object_fill_head(store, fill, head, 1) == C.OBJECT_DONE)
      C.object_fill_complete(store, fill)
    end
  end
  seconds = os.clock() - seconds
  C.object_store_clear(store)
  C.segment_clear(segment)
  return hits, seconds
end

---@param arguments string[]
---@return integer code
function hit_ratio.main(arguments)
  local requests = tonumber(arguments[1]) or 1000000
  local objects = 100032
  if not requests then
    io.stderr:write "usage: ./dev bench hits [REQUESTS]\n"
    return 2
  end
  jit.on()
  math.randomseed(42)
  print "| requests | room | LRU | store | misses against LRU | µs a request |"
  print "|---|---:|---:|---:|---:|---:|"
  for _, shape in ipairs(SHAPES) do
    local drawn, numbers = draw(shape, objects, requests)
    for _, share in ipairs { 0.01, 0.1 } do
      local room = math.floor(objects * share / 64) * 64
      local lru = lru_hits(drawn, requests, numbers, room) / requests
      local hits, seconds = store_hits(drawn, requests, room)
      local store = hits / requests
      print(("| %s | %d %% | %.1f %% | %.1f %% | %+.1f %% | %.2f |"):format(shape.name,
        math.floor(share * 100 + 0.5), lru * 100, store * 100,
        ((1 - store) / (1 - lru) - 1) * 100, seconds / requests * 1e6))
    end
  end
  return 0
end

return hit_ratio
