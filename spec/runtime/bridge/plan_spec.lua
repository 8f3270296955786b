--- plan_spec: which listeners of one plan are those of another.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "bridge/plan.h"
local LISTENERS_MAX = 64

local function plan(addresses)
  local made = ffi.new "struct plan"
  made.listener_count = #addresses
  for i, address in ipairs(addresses) do ffi.copy(made.listeners[i - 1].address, address) end
  return made
end

-- Places from 1, 0 for what is new.
local function match(current, next_one)
  local places, found = ffi.new("size_t[?]", LISTENERS_MAX), {}
  C.plan_match_listeners(plan(current), plan(next_one), places)
  for i = 1, #next_one do
    local place = tonumber(places[i - 1])
    found[i] = place < LISTENERS_MAX and place + 1 or 0
  end
  return found
end

describe("plan_match_listeners", function()
  it("finds the same address wherever it stands", function()
    assert.same({ 2, 0, 1 }, match({ ":80", ":81" }, { ":81", ":82", ":80" }))
    assert.same({}, match({ ":80" }, {}))
    assert.same({ 0 }, match({}, { ":80" }))
  end)

  it("takes each of equal ones once, in their order", function()
    assert.same({ 1, 3, 0 }, match({ ":0", ":80", ":0" }, { ":0", ":0", ":0" }))
    assert.same({ 1 }, match({ ":0", ":0" }, { ":0" }))
  end)

  it("does not take a part of an address for the whole", function()
    assert.same({ 0, 0 }, match({ ":80" }, { ":8080", "127.0.0.1:80" }))
  end)
end)
