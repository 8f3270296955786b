local ffi = require "ffi"
local native = require "spec.support.native"

native.declare [[
struct address_block { unsigned char bytes[16]; int family; unsigned bits; };
bool address_parse_host(struct slice host, uint16_t port, struct address *address);
struct slice address_format_host(const struct address *address, char *text);
void address_from_socket(const void *socket_address, uint32_t length, struct address *address);
uint16_t address_port(const struct address *address);
bool address_is_loopback(const struct address *address);
bool address_equals(const struct address *one, const struct address *other);
bool address_block_parse(struct slice text, struct address_block *block);
bool address_block_contains(const struct address_block *block, const struct address *address);
]]
local C, slice = native.C, native.slice

local function parse(text)
  local address = ffi.new "struct address"
  return C.address_parse(slice(text), address) and address or nil
end

local function host(text, port)
  local address = ffi.new "struct address"
  return C.address_parse_host(slice(text), port or 0, address) and address or nil
end

local function block(text)
  local parsed = ffi.new "struct address_block"
  return C.address_block_parse(slice(text), parsed) and parsed or nil
end

local function text_of(format, address)
  return native.text(format(address, ffi.new "char[128]"))
end

local PATH = "unix:/" .. ("p"):rep(106)

describe("address", function()
  for text, formatted in pairs {
    ["127.0.0.1:80"] = "127.0.0.1:80",
    ["0.0.0.0:0"] = "0.0.0.0:0",
    ["255.255.255.255:65535"] = "255.255.255.255:65535",
    ["[::1]:8443"] = "[::1]:8443",
    ["[2001:DB8:0:0::1]:1"] = "[2001:db8::1]:1",
    ["[::ffff:192.0.2.1]:80"] = "192.0.2.1:80",
    [":8080"] = ":8080",
    ["[::]:8080"] = "[::]:8080",
    ["unix:/run/moongate.sock"] = "unix:/run/moongate.sock",
    [PATH] = PATH,
  } do
    it("reads " .. text, function()
      assert.equal(formatted, text_of(C.address_format, assert(parse(text))))
    end)
  end

  for _, text in ipairs {
    "", ":", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:080", "127.0.0.1:+80",
    "127.0.0.1:-1", "127.0.0.1:80 ", " 127.0.0.1:80", "127.0.0.1:80:90", "127.0.0.1:0x50",
    "127.0.0.1:99999999999999999999", "127.1:80", "127.0.0.01:80", "1.2.3.4.5:80", "256.0.0.1:80",
    "localhost:80", "*:80", "[::1]", "[::1]:", "[::1]80", "[::1:80", "::1:80", "[]:80",
    "[127.0.0.1]:80", "[::1]:80]", "[fe80::1%lo]:80", "[::1\0]:80",
    "127.0.0.1\0:80", "[", "[]", "]:80", "unix:", "unix:relative", "unix:@abstract",
    "unix:\0abstract", "unix:/a\0b", "UNIX:/a", PATH .. "p",
    "[" .. ("1"):rep(200) .. "]:80", ("1"):rep(200) .. ":80",
  } do
    it(("refuses %q"):format(text), function()
      assert.is_nil(parse(text))
    end)
  end

  it("takes both families for a port alone, and only then", function()
    assert.is_true(parse(":80").both_families)
    assert.is_false(parse("[::]:80").both_families)
    assert.is_false(C.address_equals(parse ":80", parse "[::]:80"))
  end)

  it("reads hosts without a port", function()
    assert.equal("192.0.2.1:7", text_of(C.address_format, host("192.0.2.1", 7)))
    assert.equal("[2001:db8::1]:7", text_of(C.address_format, host("2001:db8::1", 7)))
    for _, text in ipairs { "", "[::1]", "192.0.2.1:80", "localhost", "1", "::1%lo", "::1\0" } do
      assert.is_nil(host(text))
    end
  end)

  it("writes hosts without port and brackets", function()
    for _, text in ipairs { "192.0.2.1", "0.10.100.255", "99.109.200.9" } do
      assert.equal(text, text_of(C.address_format_host, parse(text .. ":80")))
    end
    assert.equal("192.0.2.1", text_of(C.address_format_host, parse "[::ffff:192.0.2.1]:80"))
    assert.equal("2001:db8::1", text_of(C.address_format_host, parse "[2001:db8::1]:80"))
    assert.equal("unix", text_of(C.address_format_host, parse "unix:/a"))
    assert.equal("unknown", text_of(C.address_format_host, ffi.new "struct address"))
    assert.equal("unknown", text_of(C.address_format, ffi.new "struct address"))
  end)

  it("takes what the kernel gives, and nothing that does not fit", function()
    local from, to = parse "[::1]:80", ffi.new "struct address"
    C.address_from_socket(from.words, from.length, to)
    assert.is_true(C.address_equals(from, to))
    C.address_from_socket(from.words, from.length - 1, to)
    assert.equal("unknown", text_of(C.address_format, to))
    C.address_from_socket(parse("unix:/a").words, 2, to)
    assert.equal("unix", text_of(C.address_format, to))
    C.address_from_socket(from.words, 1, to)
    assert.equal(0, to.length)
    from.family = 17
    C.address_from_socket(from.words, from.length, to)
    assert.equal(0, to.length)
  end)

  it("knows the port", function()
    assert.equal(80, C.address_port(parse "192.0.2.1:80"))
    assert.equal(443, C.address_port(parse "[::1]:443"))
    assert.equal(0, C.address_port(parse "unix:/a"))
    assert.equal(0, C.address_port(ffi.new "struct address"))
  end)

  it("knows loopback", function()
    for _, text in ipairs {
      "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/a",
    } do
      assert.is_true(C.address_is_loopback(parse(text)), text)
    end
    for _, text in ipairs { "128.0.0.1:1", "[::2]:1", "[::]:1", ":1", "[::ffff:10.0.0.1]:1" } do
      assert.is_false(C.address_is_loopback(parse(text)), text)
    end
    assert.is_false(C.address_is_loopback(ffi.new "struct address"))
  end)

  it("compares host and port, or path", function()
    local function equal(one, other)
      return C.address_equals(parse(one), parse(other))
    end
    assert.is_true(equal("192.0.2.1:80", "[::ffff:192.0.2.1]:80"))
    assert.is_true(equal("unix:/a", "unix:/a"))
    assert.is_false(equal("192.0.2.1:80", "192.0.2.1:81"))
    assert.is_false(equal("192.0.2.1:80", "192.0.2.2:80"))
    assert.is_false(equal("192.0.2.1:80", "[::1]:80"))
    assert.is_false(equal("unix:/a", "unix:/ab"))
    assert.is_false(equal("unix:/a", ":80"))
    local unknown = ffi.new "struct address"
    assert.is_false(C.address_equals(unknown, unknown))
  end)
end)

describe("address_block", function()
  for _, case in ipairs {
    { "10.0.0.0/8", "10.255.0.1:1", true },
    { "10.0.0.0/8", "11.0.0.1:1", false },
    { "10.0.0.0/8", "[::ffff:10.1.2.3]:1", true },
    { "10.0.0.0/8", "[2001:db8::1]:1", false },
    { "192.0.2.128/25", "192.0.2.128:1", true },
    { "192.0.2.128/25", "192.0.2.127:1", false },
    { "192.0.2.1", "192.0.2.1:1", true },
    { "192.0.2.1", "192.0.2.0:1", false },
    { "0.0.0.0/0", "255.1.2.3:1", true },
    { "0.0.0.0/0", "[::1]:1", false },
    { "::/0", "[2001:db8::1]:1", true },
    { "::/0", "[::ffff:10.0.0.1]:1", false },
    { "::ffff:10.0.0.0/104", "10.1.2.3:1", true },
    { "::ffff:10.0.0.0/104", "11.1.2.3:1", false },
    { "::ffff:10.0.0.1", "10.0.0.1:1", true },
    { "::ffff:0.0.0.0/96", "1.2.3.4:1", true },
    { "2001:db8::/33", "[2001:db8:7fff::1]:1", true },
    { "2001:db8::/33", "[2001:db8:8000::1]:1", false },
    { "2001:db8::1/128", "[2001:db8::1]:1", true },
    { "2001:db8::1", "[2001:db8::2]:1", false },
    { "::/0", "unix:/a", false },
  } do
    it(("%s %s %s"):format(case[1], case[3] and "has" or "has not", case[2]), function()
      assert.equal(case[3], C.address_block_contains(assert(block(case[1])), parse(case[2])))
    end)
  end

  for _, text in ipairs {
    "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8",
    "10.0.0.0/ 8", "10.0.0.0/65544", "10.0.0.1/8", "192.0.2.129/25", "::/129", "2001:db8::1/127",
    "::ffff:10.0.0.0/95", "::ffff:10.0.0.1/104", "10/8", "localhost/8", "unix:/a", "[::]/0",
  } do
    it(("refuses %q"):format(text), function()
      assert.is_nil(block(text))
    end)
  end
end)
