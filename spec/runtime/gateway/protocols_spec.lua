local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local C = runtime.include "gateway/protocols.h"

local slice = runtime.slice

local function name_of(protocol) return protocol ~= nil and ffi.string(protocol.name) or nil end

local function found(name) return name_of(C.protocols_find(slice(name))) end
local function negotiated(alpn) return name_of(C.protocols_negotiated(slice(alpn))) end

-- What is registered stays for the life of the process: each case has one of its own.
local function alone(body)
  return runtime.end_of(function()
    local ok, problem = pcall(body)
    if not ok then io.stdout:write(tostring(problem), "\n") end
    ffi.C.spec_exit(ok and 0 or 70)
  end)
end

local function protocol(name, alpn)
  local made = ffi.new "struct http_protocol"
  made.name, made.alpn = name, alpn
  return made
end

describe("protocols", function()
  it("begin with HTTP/1.1 alone", function()
    assert.equal("http/1.1", name_of(C.protocols_at(0)))
    assert.is_nil(name_of(C.protocols_at(1)))
  end)

  it("are found by their whole name", function()
    assert.equal("http/1.1", found "http/1.1")
    assert.is_nil(found "http/1")
    assert.is_nil(found "http/1.10")
    assert.is_nil(found "")
  end)

  it("are HTTP/1.1 where nothing known was agreed on", function()
    assert.equal("http/1.1", negotiated(nil))
    assert.equal("http/1.1", negotiated "http/1.1")
    assert.equal("http/1.1", negotiated "spdy/1")
  end)

  it("are as many as were registered, up to the maximum", function()
    assert.equal(0, alone(function()
      local added = {}
      for i = 1, 7 do
        added[i] = protocol("test/" .. i, "t" .. i)
        assert(C.protocols_register(added[i]))
      end
      assert(not C.protocols_register(protocol("one/more", nil)))
      assert(found "test/7" == "test/7" and found "one/more" == nil)
      assert(negotiated "t3" == "test/3")
      assert(C.protocols_at(8) == nil and C.protocols_at(1000) == nil)
    end))
  end)

  it("are not negotiated when they have no id for that", function()
    assert.equal(0, alone(function()
      local silent = protocol("silent/1", nil)
      assert(C.protocols_register(silent))
      assert(negotiated "" == "http/1.1" and found "silent/1" == "silent/1")
    end))
  end)
end)
