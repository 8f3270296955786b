local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local C = runtime.include("gateway/address_limits.h", "net/address.h")

local function address(host, port)
  local made = ffi.new "struct address"
  assert(C.address_parse_host(runtime.slice(host), port or 1, made), host)
  return made
end

describe("address_limits", function()
  local limits

  before_each(function() limits = C.address_limits_create() end)
  after_each(function()
    C.address_limits_destroy(runtime.box("struct address_limits *", limits))
  end)

  local function enter(host, max, port)
    return C.address_limits_enter(limits, address(host, port), max)
  end

  local function leave(host) C.address_limits_leave(limits, address(host)) end

  -- How many of that address may still enter.
  local function room(host, max)
    local count = 0
    while enter(host, max) do count = count + 1 end
    for _ = 1, count do leave(host) end
    return count
  end

  it("lets in as many of an address as it may", function()
    assert.is_true(enter("192.0.2.1", 2))
    assert.is_true(enter("192.0.2.1", 2))
    assert.is_false(enter("192.0.2.1", 2))
    assert.is_true(enter("192.0.2.2", 2))
    leave "192.0.2.1"
    assert.is_true(enter("192.0.2.1", 2))
    assert.is_false(enter("192.0.2.1", 2))
  end)

  it("does not look at the port", function()
    assert.is_true(enter("192.0.2.1", 1, 1000))
    assert.is_false(enter("192.0.2.1", 1, 2000))
  end)

  it("counts an IPv6 client by its /64", function()
    assert.is_true(enter("2001:db8:0:1::1", 1))
    assert.is_false(enter("2001:db8:0:1:ffff::2", 1))
    assert.is_true(enter("2001:db8:0:2::1", 1))
  end)

  it("counts an IPv4 client that came over IPv6 as itself", function()
    assert.is_true(enter("192.0.2.1", 1))
    assert.is_false(enter("::ffff:192.0.2.1", 1))
    assert.is_true(enter("::ffff:192.0.2.2", 1))
  end)

  it("forgets nobody and invents nobody while thousands come and go", function()
    local counts, seed = {}, 7
    for step = 1, 20000 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      local host = ("10.0.%d.%d"):format(seed % 4, math.floor(seed / 65536) % 256)
      local count = counts[host] or 0
      if step % 3 == 0 and count > 0 then
        leave(host)
        counts[host] = count - 1
      else
        assert.equal(count < 3, enter(host, 3), host)
        counts[host] = math.min(count + 1, 3)
      end
    end
    for host, count in pairs(counts) do
      assert.equal(3 - count, room(host, 3), host)
      for _ = 1, count do leave(host) end
    end
    for host in pairs(counts) do assert.equal(3, room(host, 3), host) end
  end)

  it("ends the process when somebody leaves who is not there", function()
    assert.equal(-6, runtime.end_of(function() leave "192.0.2.1" end))
  end)
end)
