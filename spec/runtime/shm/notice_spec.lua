--- notice_spec: a text that one process puts up for others.

local ffi = require "ffi"
local process = require "spec.support.process"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("shm/segment.h", "shm/notice.h")
local BYTES_MAX = 60000

describe("notice", function()
  local segment, notice

  before_each(function()
    segment, notice = ffi.new "struct segment", ffi.new "struct notice"
    assert(C.segment_init(segment, 65536 + C.notice_bytes()))
    assert.is_true(C.notice_init(notice, segment, "notice"))
  end)

  after_each(function()
    C.notice_clear(notice)
    C.segment_clear(segment)
  end)

  local function publish(text) return C.notice_publish(notice, runtime.slice(text)) end
  local function read() return runtime.text(C.notice_read(notice)) end

  it("is empty at first", function() assert.equal("", read()) end)

  it("shows the last text that was put up", function()
    for _, text in ipairs { "one", "", ("x"):rep(BYTES_MAX), "two" } do
      assert.is_true(publish(text))
      assert.equal(text, read())
      assert.equal(text, read())
    end
  end)

  it("keeps the text of before when one is too long", function()
    publish "one"
    assert.is_false(publish(("x"):rep(BYTES_MAX + 1)))
    assert.equal("one", read())
  end)

  it("is never read half, and survives a writer that is killed", function()
    publish(("0"):rep(1000))
    local writer = process.fork(function()
      for i = 1, 1e9 do publish(tostring(i % 10):rep(1000 + i % 50000)) end
    end)
    local seen, count = {}, 0
    local deadline = system.now() + 0.3
    while system.now() < deadline or count <= 10 do
      local text = read()
      local digit = text:sub(1, 1)
      assert.is_nil(text:find("[^" .. digit .. "]"))
      seen[digit], count = true, count + 1
    end
    writer:kill()
    assert.is_true(count > 10)
    assert.is_true(#read() >= 1000)
    assert.is_truthy(next(seen))
  end)
end)
