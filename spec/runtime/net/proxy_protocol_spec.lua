local bit = require "bit"
local ffi = require "ffi"
local native = require "spec.support.native"

native.declare [[
struct proxy_protocol_header {
  size_t length;
  bool has_addresses;
  struct address source, destination;
};
int proxy_protocol_read(struct slice bytes, unsigned versions,
                        struct proxy_protocol_header *header);
]]

local DONE, MORE, MALFORMED = 0, 1, 2
local V1, V2, ANY = 1, 2, 3
local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local LOCAL, PROXY = 0x20, 0x21

local function read(bytes, versions)
  local header = ffi.new "struct proxy_protocol_header"
  return native.C.proxy_protocol_read(native.slice(bytes), versions or ANY, header), header
end

local function number(value, size)
  local bytes = {}
  for i = size, 1, -1 do
    bytes[#bytes + 1] = string.char(bit.band(bit.rshift(value, (i - 1) * 8), 0xff))
  end
  return table.concat(bytes)
end

local function v2(command, family, body, length)
  return SIGNATURE .. string.char(command, family) .. number(length or #body, 2) .. body
end

local function tlv(type, value, length)
  return string.char(type) .. number(length or #value, 2) .. value
end

-- Written from the polynomial's definition, most significant bit first, unlike the code under test.
local function reflected(value, bits)
  local result = 0
  for i = 0, bits - 1 do
    if bit.band(bit.rshift(value, i), 1) == 1 then
      result = bit.bor(result, bit.lshift(1, bits - 1 - i))
    end
  end
  return result
end

local function crc32c(bytes)
  local crc = -1
  for byte in bytes:gmatch "." do
    crc = bit.bxor(crc, bit.lshift(reflected(byte:byte(), 8), 24))
    for _ = 1, 8 do
      local carry = crc < 0
      crc = bit.lshift(crc, 1)
      if carry then crc = bit.bxor(crc, 0x1edc6f41) end
    end
  end
  return bit.bnot(reflected(crc, 32))
end

local TCP4 = "\192\0\2\1\198\51\100\7" .. number(4711, 2) .. number(443, 2)
local TCP6 = "\32\1\13\184" .. ("\0"):rep(11) .. "\1" .. "\32\1\13\184" .. ("\0"):rep(11) .. "\2"
  .. number(1, 2) .. number(65535, 2)

local function path(text)
  return text .. ("\0"):rep(108 - #text)
end

local function checked(before, after)
  local zeroed = v2(PROXY, 0x11, TCP4 .. before .. tlv(3, "\0\0\0\0") .. after)
  local at = 16 + #TCP4 + #before + 3
  return zeroed:sub(1, at) .. number(crc32c(zeroed), 4) .. zeroed:sub(at + 5)
end

local function with_byte(bytes, at, change)
  return bytes:sub(1, at - 1) .. string.char(bit.bxor(bytes:byte(at), change)) .. bytes:sub(at + 1)
end

describe("proxy_protocol", function()
  for name, case in pairs {
    ["v1 over IPv4"] = { "PROXY TCP4 192.0.2.1 198.51.100.7 4711 443\r\n",
      "192.0.2.1:4711", "198.51.100.7:443" },
    ["v1 over IPv6"] = { "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n",
      "[2001:db8::1]:0", "[::1]:65535" },
    ["the longest v1"] = { "PROXY TCP6 " .. ("ffff:"):rep(7) .. "ffff " .. ("ffff:"):rep(7)
      .. "ffff 65535 65535\r\n", "[" .. ("ffff:"):rep(7) .. "ffff]:65535",
      "[" .. ("ffff:"):rep(7) .. "ffff]:65535" },
    ["v2 over IPv4"] = { v2(PROXY, 0x11, TCP4), "192.0.2.1:4711", "198.51.100.7:443" },
    ["v2 over IPv6"] = { v2(PROXY, 0x21, TCP6), "[2001:db8::1]:1", "[2001:db8::2]:65535" },
    ["v2 over a unix socket"] = { v2(PROXY, 0x31, path "/run/a" .. path "/run/b"),
      "unix:/run/a", "unix:/run/b" },
    ["v2 between unnamed unix sockets"] = { v2(PROXY, 0x31, path "" .. path "\0abstract"),
      "unix", "unix" },
    ["v2 with a path that fills its field"] = { v2(PROXY, 0x31, ("p"):rep(108) .. path "/b"),
      "unix", "unix:/b" },
    ["v2 with TLVs"] = { v2(PROXY, 0x11, TCP4 .. tlv(1, "h2") .. tlv(4, "") .. tlv(0xee, "x")),
      "192.0.2.1:4711", "198.51.100.7:443" },
    ["v2 with a checksum"] = { checked("", ""), "192.0.2.1:4711", "198.51.100.7:443" },
    ["v2 with a checksum between TLVs"] = { checked(tlv(2, "api"), tlv(4, "\0\0")),
      "192.0.2.1:4711", "198.51.100.7:443" },
    ["v2 of the greatest length"] = { v2(PROXY, 0x11, TCP4 .. tlv(4, ("\0"):rep(4065))),
      "192.0.2.1:4711", "198.51.100.7:443" },
  } do
    it("reads " .. name, function()
      local result, header = read(case[1] .. "GET / HTTP/1.1\r\n")
      assert.equal(DONE, result)
      assert.equal(#case[1], tonumber(header.length))
      assert.is_true(header.has_addresses)
      assert.equal(case[2], native.address_text(header.source))
      assert.equal(case[3], native.address_text(header.destination))
    end)

    it("waits for all of " .. name, function()
      for length = 0, #case[1] - 1, #case[1] > 1000 and 97 or 1 do
        assert.equal(MORE, (read(case[1]:sub(1, length))))
      end
      assert.equal(DONE, (read(case[1])))
    end)
  end

  for name, bytes in pairs {
    ["UNKNOWN"] = "PROXY UNKNOWN\r\n",
    ["UNKNOWN with more to ignore"] = "PROXY UNKNOWN 1.2.3.4 what \0 ever\r\n",
    ["UNKNOWN of 107 bytes"] = "PROXY UNKNOWN " .. ("x"):rep(91) .. "\r\n",
    ["LOCAL"] = v2(LOCAL, 0x00, ""),
    ["LOCAL with an address to ignore"] = v2(LOCAL, 0x11, TCP4),
    ["LOCAL of any family and content"] = v2(LOCAL, 0xff, "what ever"),
    ["PROXY of unspecified family"] = v2(PROXY, 0x00, ""),
    ["PROXY of unspecified family with TLVs"] = v2(PROXY, 0x00, tlv(4, "x")),
  } do
    it("leaves the socket's addresses for " .. name, function()
      local result, header = read(bytes .. "GET")
      assert.equal(DONE, result)
      assert.equal(#bytes, tonumber(header.length))
      assert.is_false(header.has_addresses)
      assert.equal(0, header.source.length)
    end)
  end

  for name, bytes in pairs {
    ["plain HTTP"] = "GET / HTTP/1.1\r\n",
    ["a POST"] = "POST / HTTP/1.1\r\n",
    ["a TLS hello"] = "\22\3\1\2\0\1\0",
    ["lower case"] = "proxy TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
    ["a protocol in lower case"] = "PROXY tcp4 192.0.2.1 198.51.100.7 1 2\r\n",
    ["an unknown protocol"] = "PROXY TCP5 192.0.2.1 198.51.100.7 1 2\r\n",
    ["UDP4"] = "PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
    ["two spaces first"] = "PROXY  TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
    ["two spaces between"] = "PROXY TCP4 192.0.2.1  198.51.100.7 1 2\r\n",
    ["a tab"] = "PROXY TCP4 192.0.2.1\t198.51.100.7 1 2\r\n",
    ["a space at the end"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n",
    ["a fifth word"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n",
    ["a missing port"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n",
    ["no addresses"] = "PROXY TCP4\r\n",
    ["no addresses but a space"] = "PROXY TCP4 \r\n",
    ["a port with a leading zero"] = "PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n",
    ["a second port with a leading zero"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1 02\r\n",
    ["a port of 65536"] = "PROXY TCP4 192.0.2.1 198.51.100.7 65536 2\r\n",
    ["a port with a sign"] = "PROXY TCP4 192.0.2.1 198.51.100.7 +1 2\r\n",
    ["an address with a leading zero"] = "PROXY TCP4 192.0.02.1 198.51.100.7 1 2\r\n",
    ["a short address"] = "PROXY TCP4 192.2 198.51.100.7 1 2\r\n",
    ["a v6 address over TCP4"] = "PROXY TCP4 ::1 198.51.100.7 1 2\r\n",
    ["a v4 address over TCP6"] = "PROXY TCP6 ::1 198.51.100.7 1 2\r\n",
    ["a zone"] = "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
    ["NUL in an address"] = "PROXY TCP4 192.0.2.1\0 198.51.100.7 1 2\r\n",
    ["a bare LF"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
    ["a bare LF after UNKNOWN"] = "PROXY UNKNOWN\nGET / HTTP/1.1\r\n",
    ["a bare CR"] = "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\rGET",
    ["UNKNOWN without a space"] = "PROXY UNKNOWNS\r\n",
    ["UNKNOWN of 108 bytes"] = "PROXY UNKNOWN " .. ("x"):rep(92) .. "\r\n",
    ["a line without end"] = "PROXY UNKNOWN " .. ("x"):rep(92),
    ["half a signature"] = "\r\n\r\n\0\r\nQUIX",
    ["a signature that ends early"] = "\r\n\r\nGET",
    ["version 1 in binary"] = v2(0x11, 0x11, TCP4),
    ["version 3"] = v2(0x31, 0x11, TCP4),
    ["an unknown command"] = v2(0x22, 0x11, TCP4),
    ["command 15, before the rest"] = SIGNATURE .. "\47",
    ["UDP over IPv4"] = v2(PROXY, 0x12, TCP4),
    ["UDP over IPv6"] = v2(PROXY, 0x22, TCP6),
    ["unix datagrams"] = v2(PROXY, 0x32, path "/a" .. path "/b"),
    ["an unknown family"] = v2(PROXY, 0x41, TCP4),
    ["a family without transport"] = v2(PROXY, 0x10, TCP4),
    ["a short address block"] = v2(PROXY, 0x11, TCP4:sub(1, -2)),
    ["a short v6 address block"] = v2(PROXY, 0x21, TCP6:sub(1, -2)),
    ["a short unix address block"] = v2(PROXY, 0x31, path "/a" .. "/b"),
    ["no address block"] = v2(PROXY, 0x11, ""),
    ["a TLV cut in its prefix"] = v2(PROXY, 0x11, TCP4 .. "\4\0"),
    ["a TLV beyond the header"] = v2(PROXY, 0x11, TCP4 .. tlv(4, "xy", 3)),
    ["a wrong checksum"] = with_byte(checked("", ""), 32, 1),
    ["a change that the checksum sees"] = with_byte(checked("", ""), 17, 1),
    ["a change behind the checksum"] = with_byte(checked("", tlv(4, "x")), 39, 0x80),
    ["a checksum of three bytes"] = v2(PROXY, 0x11, TCP4 .. tlv(3, "\0\0\0")),
    ["two checksums"] = checked("", tlv(3, "\0\0\0\0")),
    ["a header beyond 4096 bytes"] = v2(PROXY, 0x11, "", 4081),
    ["65535 bytes of LOCAL"] = v2(LOCAL, 0, "", 65535),
  } do
    it("refuses " .. name, function()
      assert.equal(MALFORMED, (read(bytes)))
    end)
  end

  it("reads only the versions that were asked for", function()
    local text, binary = "PROXY UNKNOWN\r\n", v2(LOCAL, 0, "")
    assert.equal(DONE, (read(text, V1)))
    assert.equal(DONE, (read(binary, V2)))
    assert.equal(MALFORMED, (read(text, V2)))
    assert.equal(MALFORMED, (read(binary, V1)))
    assert.equal(MALFORMED, (read("P", V2)))
    assert.equal(MALFORMED, (read("\r", V1)))
  end)
end)
