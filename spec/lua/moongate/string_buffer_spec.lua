local buffer = require "moongate.string_buffer"
local process = require "spec.support.process"

-- In a process of its own, where it is compiled as in a gateway. Uses each item of lists of up to
-- six, of which some are bad and raise, and says how often something else came of it; each time
-- the compiler begins anew, something else is compiled.
local SCRIPT = [[
require "spec.support.libraries"
local buffer = require "moongate.string_buffer"
local BYTES = buffer.encode { 1, 2 }

local uses = {
  { BYTES, "\255\254", function(bytes) return (buffer.decode(bytes)) end },
  { BYTES, BYTES:sub(1, -2), function(bytes)
    local from = buffer.new():put(bytes)
    return (from:decode())
  end },
  { { 1 }, print, function(value) return (buffer.encode(value)) end },
  { { 1 }, { print }, function(value)
    local into = buffer.new()
    return into:encode(value):tostring()
  end },
}

local function use_each(list, use)
  local made = {}
  for i, one in ipairs(list) do
    local ok, value = pcall(use, one)
    made[i] = ok and value or 0
  end
  return made
end

local function is_wrong(list, use, bad)
  local ok, made = pcall(use_each, list, use)
  if not ok or #made ~= #list then return true end
  for i = 1, #list do
    if (made[i] == 0) ~= (list[i] == bad) then return true end
  end
end

local made, wrong = 0, 0
for _ = 1, 4 do
  for _, row in ipairs(uses) do
    jit.flush()
    for i = 1, 250 do
      local list = {}
      for k = 1, i % 7 do
        made = made + 1
        list[k] = made * made % 5 < 2 and row[1] or row[2]
      end
      if is_wrong(list, row[3], row[2]) then wrong = wrong + 1 end
    end
  end
end
print(wrong)
]]

-- Without sanitizers, which a child would have to be preloaded with.
local LIBRARY = "build/release/libmoongate-spec.so"

describe("string.buffer", function()
  it("may raise wherever it is called, compiled code included", function()
    local code, out, err = process.run({ "luajit", "-" },
      { input = SCRIPT, env = { LUA_PATH = "./?.lua;./lua/?.lua;;",
        MOONGATE_SPEC_LIBRARY = LIBRARY } })
    assert.equal("", err)
    assert.equal("0\n", out)
    assert.equal(0, code)
  end)

  it("gives what it gave", function()
    assert.equal(buffer, require "string.buffer")
    local bytes = buffer.encode { a = { true, 1.5, "x" } }
    assert.same({ a = { true, 1.5, "x" } }, buffer.decode(bytes))
    local into = buffer.new { dict = { "name" } }
    assert.equal(into, into:encode { name = 1 })
    into:encode(nil)
    assert.same({ name = 1 }, into:decode())
    assert.is_nil(into:decode())
    assert.equal(0, #into)
  end)
end)
