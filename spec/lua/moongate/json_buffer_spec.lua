require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
local buffer = require "string.buffer"
local json = require "moongate.json"
local json_buffer = require "moongate.json_buffer"

local function text_of(value)
  local into = buffer.new()
  json_buffer.put(into, value)
  return into:tostring()
end

describe("json_buffer", function()
  it("writes what moongate.json writes", function()
    for _, value in ipairs {
      "", "a", 'quote " and \\', "line\nfeed\ttab\0zero\127", "ä€", 0, -1, 1.5, 0.1, 1e300, 2 ^ 53,
      123456789012345, -2 ^ 60, true, false, json.null, { 1, 2, { 3 } }, { a = { b = {} } },
      json.array {}, {}, { json.array {} }, { ["a b"] = "c" },
    } do
      local text = text_of(value)
      assert.same(json.decode("[" .. json.encode(value) .. "]"), json.decode("[" .. text .. "]"))
    end
    assert.equal("[]", text_of(json.array {}))
    assert.equal("{}", text_of {})
  end)

  it("mends what is not UTF-8", function()
    assert.equal('"\239\191\189a"', text_of "\255a")
  end)

  it("raises for what JSON cannot say", function()
    local ring = {}
    ring[1] = ring
    for _, value in ipairs { function() end, 0 / 0, 1 / 0, ring, { print }, io.stdout } do
      assert.has_error(function() text_of(value) end)
    end
  end)

  it("finds what has to be escaped wherever it is in a text", function()
    for before = 0, 40 do
      for _, after in ipairs { "", ("~ "):rep(20) } do
        local one = (" a"):rep(before):sub(1, before)
        assert.equal('"' .. one .. after .. '"', text_of(one .. after))
        for special, escaped in pairs { ['"'] = '\\"', ["\\"] = "\\\\", ["\0"] = "\\u0000",
          ["\31"] = "\\u001f", ["\n"] = "\\n", ["\127"] = "\\u007f", ["\128"] = "\239\191\189",
          ["\195\188"] = "\195\188" } do
          assert.equal('"' .. one .. escaped .. after .. '"', text_of(one .. special .. after))
        end
      end
    end
  end)
end)
