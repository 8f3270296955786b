local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("net/address.h", "net/address_set.h")
local slice, text = runtime.slice, runtime.text

describe("address_set", function()
  local arena

  before_each(function() arena = runtime.new_arena() end)
  after_each(function() C.arena_clear(arena) end)

  -- The set, or nil and the element that is wrong.
  local function create(list)
    local wrong = ffi.new "struct slice[1]"
    local set = C.address_set_create(slice(list), arena, wrong)
    if set ~= nil then return set end
    return nil, text(wrong[0])
  end

  local function has(set, host)
    local address = ffi.new "struct address"
    assert(C.address_parse_host(slice(host), 0, address), host)
    return C.address_set_has(set, address)
  end

  it("has nothing when it is empty", function()
    local set = create ""
    for _, host in ipairs { "0.0.0.0", "::", "255.255.255.255" } do
      assert.is_false(has(set, host))
    end
  end)

  it("has the first and the last of each block, and none beside", function()
    local set = create "192.0.2.64/26, 10.0.0.0/8 ,2001:db8::/33,203.0.113.7"
    for _, host in ipairs {
      "192.0.2.64", "192.0.2.127", "10.0.0.0", "10.255.255.255", "2001:db8::",
      "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", "203.0.113.7", "::ffff:10.1.2.3",
    } do
      assert.is_true(has(set, host), host)
    end
    for _, host in ipairs {
      "192.0.2.63", "192.0.2.128", "9.255.255.255", "11.0.0.0", "203.0.113.6", "203.0.113.8",
      "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8:8000::", "::10.0.0.1", "::",
    } do
      assert.is_false(has(set, host), host)
    end
  end)

  it("knows v4 and v6 apart", function()
    assert.is_false(has(create "0.0.0.0/0", "2001:db8::1"))
    assert.is_true(has(create "0.0.0.0/0", "255.255.255.255"))
    assert.is_false(has(create "::/0", "10.0.0.1"))
    assert.is_true(has(create "::/0", "ffff::1"))
    assert.is_false(has(create "a00::/8", "10.0.0.1"))
  end)

  it("takes blocks inside of others, in any order", function()
    for _, list in ipairs {
      "10.0.0.0/8,10.0.0.0/16,10.0.0.0/24,10.200.0.0/16,10.0.0.0/8",
      "10.0.0.0/24,10.0.0.0/16,10.200.0.0/16,10.0.0.0/8",
      "10.200.0.0/16,10.0.0.0/16,10.0.0.0/8,10.0.0.0/24",
    } do
      local set = create(list)
      for _, host in ipairs { "10.0.0.1", "10.0.1.1", "10.199.0.1", "10.200.0.1", "10.255.0.1" } do
        assert.is_true(has(set, host), list .. " " .. host)
      end
      assert.is_false(has(set, "11.0.0.0"))
    end
  end)

  it("finds among many as well as each alone would", function()
    local blocks = {}
    for i = 0, 255 do blocks[#blocks + 1] = ("10.%d.%d.0/25"):format((i * 37) % 256, i) end
    local set = create(table.concat(blocks, ","))
    for i = 0, 255 do
      local network = ("10.%d.%d."):format((i * 37) % 256, i)
      assert.is_true(has(set, network .. "127"))
      assert.is_false(has(set, network .. "128"))
    end
  end)

  it("says which element is malformed", function()
    for list, wrong in pairs {
      ["10.0.0.0/8, 10.0.0.1/8"] = "10.0.0.1/8", ["x"] = "x", ["10.0.0.0/33,::/0"] = "10.0.0.0/33",
      ["::/129"] = "::/129", ["10.0.0.0 10.0.0.1"] = "10.0.0.0 10.0.0.1",
    } do
      assert.same({ nil, wrong }, { create(list) })
    end
  end)

  it("has no unix sockets", function()
    local address = ffi.new "struct address"
    assert.is_true(C.address_parse(slice "unix:/a", address))
    assert.is_false(C.address_set_has(create "0.0.0.0/0,::/0", address))
  end)
end)
