--- objects: a store of answers for specs, with views of several processes' lanes.
--
--     local objects = require "spec.support.objects"
--     local store = objects.new(1048576)
--     objects.put(store, "key", "head", "body")
--     assert.same({ "complete", "head", "body" }, { objects.get(store, "key") })

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/object_store.h", "shm/object_fill.h", "shm/object_purge.h",
  "shm/object_pages.h", "shm/object_record.h", "shm/object_lanes.h", "shm/object_flow.h")
local slice, text = runtime.slice, runtime.text

local PAGE_BYTES = 2048

local objects = { C = C, LANES = 8, now = 1000000000000 }

--- What a store takes for pages of `bytes` in all.
---@param bytes integer
---@param lanes integer
---@param page_bytes? integer
function objects.shape(bytes, lanes, page_bytes)
  return ffi.new("struct object_store_shape", bytes, page_bytes or PAGE_BYTES, lanes)
end

objects.FOUND = { [0] = "missing", "complete", "filling", "varies", "passed",
  "passed by some" }
objects.STATE = { [0] = "filling", "complete", "aborted", "uncached", "moved", "continued" }
objects.FILLED = { [0] = "done", "taken", "too large", "no room" }

local segment, views

--- A view of the store for a lane.
---@param lane integer
function objects.view(lane)
  local store = ffi.new "struct object_store"
  assert(C.object_store_init(store, segment, "objects", objects.made))
  if views[1] then
    store.wake_fds = views[1].wake_fds
  else
    assert(C.object_store_open_wakes(store, 0, objects.LANES))
  end
  C.object_store_attach(store, lane)
  views[#views + 1] = store
  return store
end

--- A new store, in a segment of its own, and its view for lane 1.
---@param bytes integer
---@param page_bytes? integer
function objects.new(bytes, page_bytes)
  objects.made, views = objects.shape(bytes, objects.LANES, page_bytes), {}
  segment = ffi.new "struct segment"
  local region = tonumber(C.object_store_bytes(objects.made))
  assert(C.segment_init(segment, 65536 + 16384 + region))
  -- A small store has few places for purges by tag: by chance, two tags would have the same one
  -- once in some hundred runs.
  local hash_key = ffi.cast("struct hash_key *", C.segment_hash_key(segment))
  hash_key.low, hash_key.high = 20261127, 1
  objects.segment = segment
  return objects.view(1)
end

--- For `after_each`.
function objects.finish()
  for i = #views, 1, -1 do
    if i > 1 then views[i].wake_fds = nil end
    C.object_store_clear(views[i])
  end
  C.segment_clear(segment)
  views = {}
end

--- Raises when the store is not as it must be.
function objects.check(store)
  local problem = C.object_store_check(store)
  if problem ~= nil then error(ffi.string(problem), 2) end
end

function objects.count(store, name)
  return tonumber(C.object_store_count(store, C["OBJECT_COUNT_" .. name]))
end

function objects.usage(store)
  local usage = ffi.new "struct object_usage"
  C.object_store_usage(store, usage)
  return usage
end

---@param bytes string
---@param url_at? integer
function objects.key(bytes, url_at)
  local key = ffi.new "struct object_key"
  key.bytes, key.url_at = slice(bytes), url_at or 0
  objects.anchor = { key.bytes, bytes, objects.anchor and objects.anchor[1] }
  return key
end

--- What a key leads to, and its hold.
function objects.find(store, key)
  local hold = ffi.new "struct object_hold"
  local bytes = slice(key)
  local wanted = ffi.new "struct object_key"
  wanted.bytes = bytes
  local found = objects.FOUND[tonumber(C.object_store_find(store, wanted, objects.now, hold))]
  return found, hold
end

function objects.find_variant(store, marker, variant)
  local hold = ffi.new "struct object_hold"
  local found = C.object_store_find_variant(store, marker, slice(variant), objects.now, hold)
  return objects.FOUND[tonumber(found)], hold
end

function objects.release(store, hold) C.object_store_release(store, hold) end

function objects.progress(store, hold)
  local progress = ffi.new "struct object_progress"
  C.object_store_progress(store, hold, progress)
  return progress
end

function objects.state(store, hold)
  return objects.STATE[tonumber(objects.progress(store, hold).state)]
end

function objects.metadata(store, hold) return text(C.object_store_metadata(store, hold)) end

--- What can be read of a body from a byte on, and in how many pieces it lay. Before its head is
--- there nobody knows where it begins.
function objects.body(store, hold, from, most)
  if not objects.progress(store, hold).has_head then return "", 0 end
  local cursor, parts = ffi.new "struct object_cursor", {}
  C.object_store_seek(store, hold, from or 0, cursor)
  repeat
    local piece = text(C.object_store_read(store, hold, cursor, most or 1e9))
    parts[#parts + 1] = piece
  until piece == ""
  return table.concat(parts), #parts - 1
end

--- A claim: its outcome, and the fill.
---@param options? table route, account, url_at
function objects.claim(store, key, options)
  options = options or {}
  local fill, claim = ffi.new "struct object_fill", ffi.new "struct object_claim"
  local bytes, route = slice(key), slice(options.route or "")
  local wanted = ffi.new "struct object_key"
  wanted.bytes, wanted.url_at = bytes, options.url_at or 0
  claim.route, claim.account, claim.now_ns = route, options.account or 0, objects.now
  claim.doubt = options.doubt or 0
  local filled = C.object_fill_claim(store, wanted, claim, fill)
  return objects.FILLED[tonumber(filled)], fill
end

function objects.claim_variant(store, marker, variant)
  local fill, claim = ffi.new "struct object_fill", ffi.new "struct object_claim"
  local bytes = slice(variant)
  claim.now_ns = objects.now
  local filled = C.object_fill_claim_variant(store, marker, bytes, claim, fill)
  return objects.FILLED[tonumber(filled)], fill
end

-- With what keeps its texts alive.
local function head_of(metadata, options)
  options = options or {}
  local head, kept = ffi.new "struct object_head", { slice(metadata) }
  head.metadata = kept[1]
  head.body_bytes = options.bytes or -1ULL
  head.useful_until_ns = options.useful_until or 0
  local tags = options.tags or {}
  local list = ffi.new("struct slice[?]", #tags + 1)
  for i, tag in ipairs(tags) do
    kept[i + 1] = slice(tag)
    list[i - 1] = kept[i + 1]
  end
  head.tags, head.tag_count = list, #tags
  kept.list = list
  return head, kept
end

---@param options? table bytes, useful_until, tags
function objects.head(store, fill, metadata, options)
  local head, kept = head_of(metadata, options)
  local filled = objects.FILLED[tonumber(C.object_fill_head(store, fill, head, objects.now))]
  return filled, kept
end

function objects.append(store, fill, bytes)
  local kept = slice(bytes)
  return objects.FILLED[tonumber(C.object_fill_append(store, fill, kept, objects.now))]
end

function objects.vary(store, fill, rules, variant)
  local one, other = slice(rules), slice(variant)
  return objects.FILLED[tonumber(C.object_fill_vary(store, fill, one, other, objects.now))]
end

--- An object of known length from claim to completion; its outcome.
function objects.put(store, key, metadata, body, options)
  local filled, fill = objects.claim(store, key, options)
  if filled ~= "done" then return filled end
  local known = setmetatable({ bytes = options and options.bytes or #body }, { __index = options })
  filled = objects.head(store, fill, metadata, known)
  if filled == "done" and #body > 0 then filled = objects.append(store, fill, body) end
  if filled ~= "done" then
    C.object_fill_abort(store, fill)
    return filled
  end
  assert(C.object_fill_complete(store, fill))
  return "done"
end

--- What is found, with metadata and as much of the body as is there.
function objects.get(store, key)
  local found, hold = objects.find(store, key)
  if found == "missing" or found:find "^passed" then return found end
  local metadata, body = objects.metadata(store, hold), objects.body(store, hold)
  objects.release(store, hold)
  return found, metadata, body
end

function objects.refresh(store, hold)
  local refresh = ffi.new "struct object_refresh"
  return C.object_fill_refresh(store, hold, refresh), refresh
end

function objects.refresh_done(store, refresh, metadata, options)
  local head, kept = head_of(metadata, options)
  local filled = C.object_fill_refresh_done(store, refresh, head, objects.now)
  return objects.FILLED[tonumber(filled)], kept
end

function objects.refresh_replace(store, refresh)
  local fill, claim = ffi.new "struct object_fill", ffi.new "struct object_claim"
  claim.now_ns = objects.now
  local filled = C.object_fill_refresh_replace(store, refresh, claim, fill)
  return objects.FILLED[tonumber(filled)], fill
end

--- Waits for what is held; `told.count` grows by one when it went on.
function objects.wait(store, hold, told)
  local wait, is_new = ffi.new "struct object_wait", ffi.new "bool[1]"
  wait.hold = hold
  C.object_store_progress(store, hold, wait.seen)
  told.count = told.count or 0
  told.wait = wait
  told.callback = ffi.cast("void (*)(struct object_wait *)", function()
    told.count = told.count + 1
  end)
  wait.ready = told.callback
  return C.object_store_wait(store, wait, is_new), is_new[0]
end

return objects
