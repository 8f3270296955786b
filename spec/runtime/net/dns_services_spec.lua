local runtime = require "spec.support.runtime"
local C = runtime.include "net/dns_services.h"
local ffi = require "ffi"

local HEADER = "\0\1\129\128\0\1%s\0\0\0\0"
local QUESTION = "\1q\4test\0\0\33\0\1"
local OWNER = "\192\12" -- the question's name

local function number(value, bytes)
  local text = ""
  for i = bytes - 1, 0, -1 do text = text .. string.char(math.floor(value / 256 ^ i) % 256) end
  return text
end

local function record(kind, ttl, data)
  return OWNER .. number(kind, 2) .. "\0\1" .. number(ttl, 4) .. number(#data, 2) .. data
end

local function service(priority, weight, port, host)
  return number(priority, 2) .. number(weight, 2) .. number(port, 2) .. host
end

local function answer(...)
  local records = { ... }
  return HEADER:format(number(#records, 2)) .. QUESTION .. table.concat(records)
end

describe("dns_services", function()
  -- The services as texts, and the TTL; nil when the answer is malformed. The bytes are at the end
  -- of memory of their own, so that a sanitizer sees who reads beyond.
  local function read(bytes, services_max)
    services_max = services_max or 8
    local copy = ffi.new("unsigned char[?]", math.max(#bytes, 1))
    ffi.copy(copy, bytes, #bytes)
    local services = ffi.new("struct dns_service[?]", services_max)
    local list = ffi.new("struct dns_service_list", services, services_max)
    if not C.dns_services_read(copy, #bytes, list) then return nil end
    local texts = {}
    for i = 1, tonumber(list.count) do
      local one = services[i - 1]
      texts[i] = ("%d %d %d %s"):format(one.priority, one.weight, one.port, ffi.string(one.host))
    end
    return table.concat(texts, ", "), list.ttl
  end

  it("reads services, whatever else is in the answer", function()
    local text, ttl = read(answer(record(5, 30, OWNER),
      record(33, 60, service(1, 2, 3, "\1A\4test\0")),
      record(33, 90, service(4, 5, 65535, "\1b\192\14"))))
    assert.equal("1 2 3 a.test, 4 5 65535 b.test", text)
    assert.equal(30, ttl)
  end)

  it("leaves out what is said not to be there", function()
    assert.equal("", (read(answer(record(33, 60, service(0, 0, 0, "\0"))))))
    local text, ttl = read(answer())
    assert.same({ "", 0 }, { text, ttl })
  end)

  it("takes no more than there is room for", function()
    local one = record(33, 1, service(1, 1, 1, "\1a\0"))
    assert.equal("1 1 1 a, 1 1 1 a", (read(answer(one, one, one), 2)))
  end)

  it("takes a TTL beyond 31 bits as none", function()
    assert.same({ "1 1 1 a", 0 },
      { read(answer(record(33, 2 ^ 31, service(1, 1, 1, "\1a\0")))) })
  end)

  it("refuses names that no host has", function()
    for _, host in ipairs { "\3a b\0", "\3a\0b\0", "\3a/b\0", "\3a.b\0", "\2\195\188\0" } do
      assert.is_nil((read(answer(record(33, 1, service(1, 1, 1, host))))), host)
    end
  end)

  it("refuses each answer that is cut off, and loops of names", function()
    local whole = answer(record(33, 1, service(1, 1, 1, "\1a\4test\0")))
    assert.equal("1 1 1 a.test", (read(whole)))
    for length = 0, #whole - 1 do assert.is_nil((read(whole:sub(1, length))), length) end
    assert.is_nil((read(answer(record(33, 1, service(1, 1, 1, "\192\42"))))))
    assert.is_nil((read(answer(record(33, 1, "\0\1")))))
  end)
end)
