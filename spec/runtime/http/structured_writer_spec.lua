local cjson = require "cjson"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("http/structured_writer.h")
local text = runtime.text

local SUITES = (os.getenv "MOONGATE_SUITES" or "../shared/suites") .. "/structured-fields"

local arena, kept

-- A struct slice by value; the Lua string is kept while the arena is.
local function slice(bytes)
  kept[#kept + 1] = bytes
  return { start = bytes, length = #bytes }
end

local function value(type_name, content)
  local made = ffi.new "struct structured_value"
  made.type = C["STRUCTURED_" .. type_name]
  if type(content) == "number" then made.number = content else made.text = slice(content) end
  return made
end

local function write(type_name, content)
  return text(C.structured_writer_value(value(type_name, content), arena))
end

-- The suite's values, of which only these types are there.
local function suite_value(content)
  if type(content) == "table" then return value("TOKEN", content.value) end
  if type(content) == "string" then return value("STRING", content) end
  if type(content) == "boolean" then return value("BOOLEAN", content and 1 or 0) end
  if content % 1 == 0 then return value("INTEGER", content) end
  -- Rounded half to even, as RFC 9651 (4.1.5) has it; thousandths are what C gets.
  local thousandths = content * 1000
  local whole = math.floor(thousandths)
  local rest = thousandths - whole
  if rest > 0.5 or (rest == 0.5 and whole % 2 == 1) then whole = whole + 1 end
  return value("DECIMAL", whole)
end

local function suite_parameters(parameters, list)
  parameters.count = #list
  parameters.items = ffi.cast("struct structured_parameter *",
    C.arena_zeroed(arena, #list * ffi.sizeof "struct structured_parameter"))
  for i, pair in ipairs(list) do
    parameters.items[i - 1].key = slice(pair[1])
    parameters.items[i - 1].value = suite_value(pair[2])
  end
end

local function suite_item(item, expected)
  item.value = suite_value(expected[1])
  suite_parameters(item.parameters, expected[2])
end

local function suite_text(test)
  if test.header_type == "item" then
    local item = ffi.new "struct structured_item"
    suite_item(item, test.expected)
    return text(C.structured_writer_item(item, arena))
  end
  local field = ffi.new "struct structured_field"
  field.count = #test.expected
  field.members = ffi.cast("struct structured_member *",
    C.arena_zeroed(arena, #test.expected * ffi.sizeof "struct structured_member"))
  for i, member in ipairs(test.expected) do
    local is_keyed = test.header_type == "dictionary"
    if is_keyed then field.members[i - 1].key = slice(member[1]) end
    suite_item(field.members[i - 1].item, is_keyed and member[2] or member)
  end
  return text(C["structured_writer_" .. test.header_type](field, arena))
end

describe("structured_writer", function()
  before_each(function() arena, kept = runtime.new_arena(), {} end)
  after_each(function() C.arena_clear(arena) end)

  for _, name in ipairs { "key-generated", "number", "string-generated", "token-generated" } do
    it("writes what the suite has in " .. name, function()
      local path = ("%s/serialisation-tests/%s.json"):format(SUITES, name)
      if not io.open(path) then return pending "the suite is not there" end
      for _, test in ipairs(cjson.decode(system.read_file(path))) do
        local canonical = not test.must_fail and table.concat(test.canonical, ", ") or nil
        assert.equal(canonical, suite_text(test), test.name)
      end
    end)
  end

  it("writes each type", function()
    assert.equal("-15", write("INTEGER", -15))
    assert.equal("0.5", write("DECIMAL", 500))
    assert.equal("-0.005", write("DECIMAL", -5))
    assert.equal("7.0", write("DECIMAL", 7000))
    assert.equal("?1", write("BOOLEAN", 1))
    assert.equal("?0", write("BOOLEAN", 0))
    assert.equal("@1659578233", write("DATE", 1659578233))
    assert.equal('"a\\"b\\\\c"', write("STRING", 'a"b\\c'))
    assert.equal("*a/b:c", write("TOKEN", "*a/b:c"))
    assert.equal(":aGVsbG8=:", write("BYTES", "hello"))
    assert.equal('%"f%c3%bc%22 %25"', write("DISPLAY", 'fü" %'))
  end)

  it("writes nothing that cannot be read", function()
    assert.is_nil(write("INTEGER", 1e15))
    assert.is_nil(write("INTEGER", -1e15))
    assert.is_nil(write("DECIMAL", 1e15))
    assert.is_nil(write("STRING", "a\n"))
    assert.is_nil(write("STRING", "ü"))
    assert.is_nil(write("TOKEN", ""))
    assert.is_nil(write("TOKEN", "1a"))
    assert.is_nil(write("TOKEN", "a b"))
    assert.is_nil(write("DISPLAY", "\255"))
  end)
end)
