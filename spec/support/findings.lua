--- findings: values in shared memory for specs, with views of several processes' lanes.
--
--     local findings = require "spec.support.findings"
--     local values = findings.new()
--     assert.is_true(findings.put(values, "cache\0key", "text"))

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("shm/values.h", "shm/object_purge.h")
local slice, text = runtime.slice, runtime.text

local findings = { C = C, LANES = 8, now = 1000000000000, SECOND = 1000000000 }

local KINDS = { [0] = "unknown", "text", "nothing" }
local CLAIMS = { [0] = "claimed", "taken", "unshared" }

local segment, views, size

--- A view for a lane.
---@param lane integer
function findings.view(lane)
  local values = ffi.new "struct values"
  assert(C.values_init(values, segment, size, findings.LANES))
  if views[1] then
    values.store.wake_fds = views[1].store.wake_fds
  else
    assert(C.object_store_open_wakes(values.store, 0, findings.LANES))
  end
  C.object_store_attach(values.store, lane)
  views[#views + 1] = values
  return values
end

--- Room for values in a segment of its own, and its view for lane 1.
---@param bytes? integer
function findings.new(bytes)
  size, views = bytes or 131072, {}
  segment = ffi.new "struct segment"
  local region = tonumber(C.values_region_bytes(size, findings.LANES))
  assert(C.segment_init(segment, 65536 + 16384 + region))
  findings.segment = segment
  return findings.view(1)
end

--- For `after_each`.
function findings.finish()
  for i = #views, 1, -1 do
    if i > 1 then views[i].store.wake_fds = nil end
    C.values_clear(views[i])
  end
  C.segment_clear(segment)
  views = {}
end

--- Raises when the memory is not as it must be.
function findings.check(values)
  local problem = C.object_store_check(values.store)
  if problem ~= nil then error(ffi.string(problem), 2) end
end

--- What is there: "text" or "nothing" with the text, or "unknown".
function findings.get(values, key)
  local name, found = slice(key), ffi.new "struct slice"
  local kind = KINDS[tonumber(C.values_get(values, name, findings.now, found))]
  if kind == "unknown" then return kind end
  return kind, text(found)
end

-- With what keeps its text alive.
local function value_of(content, seconds, kind)
  local value, kept = ffi.new "struct value", slice(content)
  value.kind, value.text = kind or C.VALUE_TEXT, kept
  value.expires_ns = seconds == 0 and 0 or findings.now + (seconds or 60) * findings.SECOND
  return value, kept
end

local function change_of(key, account)
  local change, kept = ffi.new "struct value_change", slice(key)
  change.key, change.account, change.now_ns = kept, account or 0, findings.now
  return change, kept
end

---@param options? table seconds, kind, account, only_new
function findings.put(values, key, content, options)
  options = options or {}
  local change, name = change_of(key, options.account)
  local value, kept = value_of(content, options.seconds, options.kind)
  return C.values_put(values, change, value, options.only_new or false), name, kept
end

function findings.delete(values, key)
  local name = slice(key)
  C.values_delete(values, name)
end

function findings.purge(values, name)
  local kept = slice(name)
  C.values_purge(values, kept)
end

--- "claimed", "taken" or "unshared", and the flight.
function findings.claim(values, key, renews)
  local flight = ffi.new "struct value_flight"
  local change, name = change_of(key)
  local claimed = C.values_claim(values, change, renews or false, flight)
  return CLAIMS[tonumber(claimed)], flight, name
end

--- The outcome of a flight; nil: none.
function findings.land(values, flight, content, seconds, kind)
  if not content then return C.values_land(values, flight, findings.now, nil) end
  local value, kept = value_of(content, seconds, kind)
  return C.values_land(values, flight, findings.now, value), kept
end

--- What somebody is finding out, held; nil: nobody is.
function findings.hold(values, key)
  local name, hold = slice(key), ffi.new "struct object_hold"
  return C.values_hold_flight(values, name, findings.now, hold) and hold or nil
end

--- What was held; "flying" while it has not ended.
function findings.read(values, hold)
  if C.values_is_flying(values, hold) then return "flying" end
  local found = ffi.new "struct slice"
  local kind = KINDS[tonumber(C.values_read(values, hold, found))]
  if kind == "unknown" then return kind end
  return kind, text(found)
end

return findings
