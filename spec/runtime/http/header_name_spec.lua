local bit = require "bit"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/header_name.h"
local slice, text = runtime.slice, runtime.text

-- The table as the header has it: identifiers and names.
local function known_names()
  local file = assert(io.open "runtime/http/header_name.h")
  local names = {}
  for id, name in file:read("*a"):gmatch 'X%(%s+([%w_]+),%s+"([^"]+)"' do
    names[#names + 1] = { id = C["HEADER_" .. id], name = name }
  end
  file:close()
  return names
end

-- Where header_name.c looks for a name: what SLOTS has to say for a new one.
local function slot_of(name)
  local function lower(at) return bit.bor(name:byte(at), 0x20) end
  local key = #name + lower(1) * 2 ^ 8 + lower(math.floor(#name / 2) + 1) * 2 ^ 16
    + lower(#name - 1) * 2 ^ 24
  local product = 0x3916d6afULL * key
  return tonumber(product % 2 ^ 32 / 2 ^ 25)
end

describe("header_name", function()
  local names = known_names()

  it("reads all of its table", function()
    assert.equal(C.HEADER_ID_COUNT - 1, #names)
  end)

  it("knows each name, in any case", function()
    for _, row in ipairs(names) do
      local hint = ("[%d] = HEADER_... in SLOTS for %s"):format(slot_of(row.name), row.name)
      for _, written in ipairs {
        row.name, row.name:upper(), (row.name:gsub("^%l", string.upper)),
      } do
        assert.equal(row.id, tonumber(C.header_id_of(slice(written))), hint)
      end
    end
  end)

  it("gives each number its name back", function()
    for _, row in ipairs(names) do assert.equal(row.name, text(C.header_name_of(row.id))) end
    assert.equal("", text(C.header_name_of(C.HEADER_OTHER)))
  end)

  it("knows nothing else", function()
    for _, row in ipairs(names) do
      for _, other in ipairs {
        row.name .. "x", row.name:sub(1, -2), "x" .. row.name, row.name:gsub("^.", "_"),
        row.name:gsub(".$", "_"), row.name .. " ", row.name .. "\0",
      } do
        assert.equal(C.HEADER_OTHER, tonumber(C.header_id_of(slice(other))), other)
      end
    end
    for _, other in ipairs { "", "a", "aa", ("a"):rep(1000), "x-api-key", "\255\255\255" } do
      assert.equal(C.HEADER_OTHER, tonumber(C.header_id_of(slice(other))), other)
    end
  end)

  it("does not take a control character for the letter that lies 32 above it", function()
    assert.equal(C.HEADER_OTHER, tonumber(C.header_id_of(slice "keep\13alive")))
    assert.equal(C.HEADER_OTHER, tonumber(C.header_id_of(slice "\8ost")))
  end)

  it("takes no octet of a name for another one than that letter in either case", function()
    local taken = 0
    for _, row in ipairs(names) do
      for at = 1, #row.name do
        for octet = 0, 255 do
          local other = row.name:sub(1, at - 1) .. string.char(octet) .. row.name:sub(at + 1)
          local is_same = other:lower() == row.name
          local id = tonumber(C.header_id_of(slice(other)))
          if (id == row.id) ~= is_same then error(("%q, %s"):format(other, row.name)) end
          taken = taken + (is_same and 1 or 0)
        end
      end
    end
    assert.is_true(taken > 2 * #names)
  end)

  it("flags what belongs to one connection", function()
    local function is_hop_by_hop(id) return bit.band(C.header_flags_of(id), 1) ~= 0 end
    for _, id in ipairs {
      "CONNECTION", "KEEP_ALIVE", "PROXY_CONNECTION", "TE", "TRANSFER_ENCODING", "UPGRADE",
    } do
      assert.is_true(is_hop_by_hop(C["HEADER_" .. id]), id)
    end
    for _, id in ipairs { "OTHER", "HOST", "CONTENT_LENGTH", "TRAILER", "AUTHORIZATION" } do
      assert.is_false(is_hop_by_hop(C["HEADER_" .. id]), id)
    end
  end)
end)
