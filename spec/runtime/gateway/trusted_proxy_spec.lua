local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local C = runtime.include("gateway/trusted_proxy.h", "gateway/downstream.h", "net/address.h")

local slice, text = runtime.slice, runtime.text
local TRUSTED = { "10.0.0.0/8", "2001:db8::/32" }

local function address(host)
  local made = ffi.new "struct address"
  assert(C.address_parse_host(slice(host), 0, made), host)
  return made
end

describe("trusted_proxy", function()
  local arena, options, blocks

  before_each(function()
    arena = runtime.new_arena()
    blocks = ffi.new("struct address_block[?]", #TRUSTED)
    for i, block in ipairs(TRUSTED) do
      assert(C.address_block_parse(slice(block), blocks + i - 1))
    end
    options = ffi.new "struct gateway_options"
    options.trusted_proxies, options.trusted_proxy_count = blocks, #TRUSTED
  end)

  after_each(function() C.arena_clear(arena) end)

  -- The client of a request with these X-Forwarded-For fields, sent by `peer`.
  local function client(peer, ...)
    local memory = ffi.new("char[?]", ffi.sizeof "struct downstream" + #peer)
    local connection = ffi.cast("struct downstream *", memory)
    connection.is_trusted = C.trusted_proxy_has(options, address(peer))
    ffi.copy(connection.client, peer, #peer)
    connection.client_length = #peer
    local headers = ffi.new "struct headers"
    for _, value in ipairs { ... } do
      assert(C.headers_add_known(headers, arena, C.HEADER_X_FORWARDED_FOR, slice(value)))
    end
    return text(C.trusted_proxy_client(options, connection, headers, arena))
  end

  it("knows the blocks of the proxies", function()
    assert.is_true(C.trusted_proxy_has(options, address "10.255.0.1"))
    assert.is_true(C.trusted_proxy_has(options, address "2001:db8:1::1"))
    assert.is_false(C.trusted_proxy_has(options, address "11.0.0.1"))
    options.trusted_proxy_count = 0
    assert.is_false(C.trusted_proxy_has(options, address "10.255.0.1"))
  end)

  it("believes nobody else", function()
    assert.equal("192.0.2.1", client("192.0.2.1", "198.51.100.7"))
  end)

  it("takes the last one that no trusted proxy is", function()
    assert.equal("198.51.100.7", client("10.0.0.1", "198.51.100.7"))
    assert.equal("198.51.100.7", client("10.0.0.1", "203.0.113.9, 198.51.100.7"))
    assert.equal("198.51.100.7", client("10.0.0.1", "203.0.113.9,198.51.100.7 ,10.2.3.4,10.0.0.9"))
  end)

  it("takes the first one when all are trusted, the peer when there is none", function()
    assert.equal("10.9.9.9", client("10.0.0.1", "10.9.9.9, 10.2.3.4"))
    assert.equal("10.0.0.1", client "10.0.0.1")
    assert.equal("10.0.0.1", client("10.0.0.1", ""))
  end)

  it("reads several fields as one list", function()
    assert.equal("203.0.113.9", client("10.0.0.1", "198.51.100.7", "203.0.113.9, 10.2.3.4"))
    assert.equal("198.51.100.7", client("10.0.0.1", "198.51.100.7", "10.2.3.4"))
  end)

  it("steps over empty elements", function()
    assert.equal("198.51.100.7", client("10.0.0.1", "203.0.113.9, 198.51.100.7, ,, "))
  end)

  it("reads ports and brackets off", function()
    assert.equal("198.51.100.7", client("10.0.0.1", "198.51.100.7:4711"))
    assert.equal("2001:db9::7", client("10.0.0.1", "[2001:db9::7]:4711"))
    assert.equal("2001:db9::7", client("10.0.0.1", "[2001:db9::7]"))
    assert.equal("2001:db9::7", client("10.0.0.1", "2001:db9::7"))
  end)

  it("stops at what is no address", function()
    assert.equal("10.0.0.1", client("10.0.0.1", "198.51.100.7, unknown"))
    assert.equal("10.2.3.4", client("10.0.0.1", "198.51.100.7, _hidden, 10.2.3.4"))
  end)

  it("looks at no more entries than a chain of proxies has", function()
    local list = "198.51.100.7" .. (", 10.2.3.4"):rep(31)
    assert.equal("198.51.100.7", client("10.0.0.1", list))
    assert.equal("10.2.3.4", client("10.0.0.1", list .. ", 10.2.3.4"))
  end)
end)
