--- listen_options_spec: a copy stands alone, for as long as somebody holds it.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("gateway/listen_options.h", "net/address_set.h")

describe("listen_options", function()
  local function release(copy)
    C.listen_options_release(runtime.box("const struct listen_options *", copy))
  end

  local function options(name, count)
    local blocks = ffi.new("struct address_block[?]", math.max(count, 1))
    for i = 0, count - 1 do
      assert.is_true(C.address_block_parse(runtime.slice(("10.%d.0.0/16"):format(i)), blocks + i))
    end
    local made = ffi.new("struct listen_options", { name = runtime.slice(name), is_admin = true })
    made.listener.proxy_sources, made.listener.proxy_source_count = blocks, count
    made.listener.handshake_timeout = 7
    return made, blocks
  end

  it("copies the name and the proxy sources", function()
    local made, blocks = options("127.0.0.1:80", 3)
    local copy = C.listen_options_copy(made)
    ffi.fill(blocks, ffi.sizeof(blocks))
    ffi.fill(made, ffi.sizeof(made))
    assert.equal("127.0.0.1:80", runtime.text(copy.name))
    assert.is_true(copy.is_admin)
    assert.equal(7, copy.listener.handshake_timeout)
    assert.equal(3, tonumber(copy.listener.proxy_source_count))
    local address = ffi.new "struct address"
    assert.is_true(C.address_parse(runtime.slice "10.2.3.4:1", address))
    assert.is_true(C.address_block_contains(copy.listener.proxy_sources + 2, address))
    assert.is_false(C.address_block_contains(copy.listener.proxy_sources + 1, address))
    release(copy)
  end)

  it("is there until its last holder has released it", function()
    local copy = C.listen_options_copy((options("unix:/a", 0)))
    local same = C.listen_options_acquire(copy)
    assert.equal(copy, same)
    release(copy)
    assert.equal("unix:/a", runtime.text(same.name))
    release(same)
  end)
end)
