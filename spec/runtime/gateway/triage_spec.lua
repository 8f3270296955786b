--- triage_spec: whom it meets when a share of requests is refused.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "gateway/triage.h"

describe("triage", function()
  local triage

  before_each(function()
    triage = ffi.new "struct triage"
    C.triage_init(triage, 1)
    C.triage_forget(triage, 100)
  end)

  -- How many of `count` requests of each criticality are refused.
  local function refused(count, ...)
    local numbers = {}
    for i, criticality in ipairs { ... } do
      numbers[i] = 0
      for _ = 1, count do
        if C.triage_refuses(triage, criticality) then numbers[i] = numbers[i] + 1 end
      end
    end
    return numbers
  end
  local function about(expected, number, by)
    assert(math.abs(expected - number) <= by, ("%d is not about %d"):format(number, expected))
  end

  it("refuses nobody at first", function()
    assert.same({ 0, 0, 0, 0 }, refused(100, 1, 50, 99, 100))
  end)

  it("refuses all of the least critical before any other", function()
    refused(500, 20, 50, 80, 100)
    C.triage_set(triage, 1 / 3, 100)
    assert.same({ 100, 0, 0, 0 }, refused(100, 20, 50, 80, 100))
    C.triage_set(triage, 2 / 3, 100)
    assert.same({ 100, 100, 0, 0 }, refused(100, 20, 50, 80, 100))
  end)

  it("draws from those on the edge, as many as are left of the share", function()
    refused(1000, 20, 60)
    C.triage_set(triage, 0.25, 100)
    local numbers = refused(1000, 20, 60)
    about(500, numbers[1], 60)
    assert.equal(0, numbers[2])
  end)

  it("never refuses what is critical, and all else at a share of one", function()
    refused(100, 1, 99, 100)
    C.triage_set(triage, 1, 100)
    assert.same({ 100, 100, 0 }, refused(100, 1, 99, 100))
    assert.same({ 100 }, refused(100, 37)) -- of which none had come
  end)

  it("goes by what has come of late", function()
    refused(1000, 20)
    C.triage_set(triage, 0.5, 101.5)
    about(500, refused(1000, 20)[1], 60)
    for second = 103, 120 do
      refused(1000, 60)
      C.triage_set(triage, 0.5, second)
    end
    about(500, refused(1000, 60)[1], 60)
    assert.same({ 100 }, refused(100, 20))
  end)

  it("counts what is critical in no share", function()
    refused(1000, 100)
    refused(10, 50)
    C.triage_set(triage, 0.5, 100)
    about(50, refused(100, 50)[1], 30)
    assert.equal(-6, runtime.end_of(function() C.triage_refuses(triage, 101) end))
  end)
end)
