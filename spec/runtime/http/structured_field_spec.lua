local cjson = require "cjson"
local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("http/structured_field.h", "http/structured_writer.h")
local slice, text = runtime.slice, runtime.text

local SUITES = (os.getenv "MOONGATE_SUITES" or "../shared/suites") .. "/structured-fields"

local arena

-- RFC 4648, 6, as the suite writes bytes.
local function base32(encoded)
  local bits, count, bytes = 0, 0, {}
  for letter in encoded:gmatch "[^=]" do
    bits = bits * 32 + ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):find(letter, 1, true) - 1
    count = count + 5
    if count >= 8 then
      count = count - 8
      bytes[#bytes + 1] = string.char(math.floor(bits / 2 ^ count))
      bits = bits % 2 ^ count
    end
  end
  return table.concat(bytes)
end

-- What the suite has for a value of ours, with its type beside it.
local function value_of(value)
  local number, string = tonumber(value.number), text(value.text)
  if value.type == C.STRUCTURED_INTEGER then return number end
  if value.type == C.STRUCTURED_DECIMAL then return number / 1000 end
  if value.type == C.STRUCTURED_BOOLEAN then return number == 1 end
  if value.type == C.STRUCTURED_DATE then return "date " .. number end
  if value.type == C.STRUCTURED_STRING then return "string " .. string end
  if value.type == C.STRUCTURED_TOKEN then return "token " .. string end
  if value.type == C.STRUCTURED_BYTES then return "binary " .. string end
  return "displaystring " .. string
end

local function expected_value(value)
  if type(value) == "string" then return "string " .. value end
  if type(value) ~= "table" then return value end
  if value.__type == "binary" then return "binary " .. base32(value.value) end
  return value.__type .. " " .. value.value
end

local function parameters_of(parameters)
  local list = {}
  for i = 0, parameters.count - 1 do
    local item = parameters.items[i]
    list[i + 1] = { text(item.key), value_of(item.value) }
  end
  return list
end

local function expected_parameters(parameters)
  local list = {}
  for i, pair in ipairs(parameters) do list[i] = { pair[1], expected_value(pair[2]) } end
  return list
end

local function item_of(item) return { value_of(item.value), parameters_of(item.parameters) } end

local function expected_item(item)
  return { expected_value(item[1]), expected_parameters(item[2]) }
end

local function member_of(member)
  if not member.is_inner_list then return item_of(member.item) end
  local items = {}
  for i = 0, member.item_count - 1 do items[i + 1] = item_of(member.items[i]) end
  return { items, parameters_of(member.item.parameters) }
end

local function expected_member(member)
  if type(member[1]) ~= "table" or member[1].__type then return expected_item(member) end
  local items = {}
  for i, item in ipairs(member[1]) do items[i] = expected_item(item) end
  return { items, expected_parameters(member[2]) }
end

-- Reads a field; returns it as C has it, and as the suite would.
local function parse(kind, raw)
  if kind == "item" then
    local item = ffi.new "struct structured_item"
    if not C.structured_field_parse_item(slice(raw), arena, item) then return nil end
    return item, item_of(item)
  end
  local field, members = ffi.new "struct structured_field", {}
  if not C["structured_field_parse_" .. kind](slice(raw), arena, field) then return nil end
  for i = 0, field.count - 1 do
    local member = field.members[i]
    members[i + 1] = member_of(member)
    if kind == "dictionary" then members[i + 1] = { text(member.key), members[i + 1] } end
  end
  return field, members
end

local function expected_of(test)
  if test.header_type == "item" then return expected_item(test.expected) end
  local members = {}
  for i, member in ipairs(test.expected) do
    members[i] = test.header_type == "list" and expected_member(member)
      or { member[1], expected_member(member[2]) }
  end
  return members
end

local function check(test, where)
  local raw = table.concat(test.raw, ", ")
  local field, found = parse(test.header_type, raw)
  if test.must_fail then return assert.is_nil(field, where) end
  if not field and test.can_fail then return end
  assert(field, where)
  assert.same(expected_of(test), found, where)
  local canonical = table.concat(test.canonical or test.raw, ", ")
  assert.equal(canonical, text(C["structured_writer_" .. test.header_type](field, arena)), where)
end

local function suite(name)
  local path = ("%s/%s.json"):format(SUITES, name)
  local tests = cjson.decode(system.read_file(path))
  for _, test in ipairs(tests) do
    C.arena_reset(arena)
    check(test, ("%s: %s: %s"):format(name, test.name, table.concat(test.raw, "|")))
  end
  return #tests
end

describe("structured_field", function()
  before_each(function() arena = runtime.new_arena() end)
  after_each(function() C.arena_clear(arena) end)

  for _, name in ipairs {
    "binary", "boolean", "date", "dictionary", "display-string", "examples", "item",
    "key-generated", "large-generated", "list", "listlist", "number", "number-generated",
    "param-dict", "param-list", "param-listlist", "string", "string-generated", "token",
    "token-generated",
  } do
    it("reads and writes the suite's " .. name, function()
      if not io.open(SUITES .. "/item.json") then return pending "the suite is not there" end
      assert.is_true(suite(name) > 0)
    end)
  end

  it("reads without the suite, too", function()
    local _, list = parse("list", ' abc;a=1;b=2;c, ("x" @7;q);w=1.5 ')
    assert.same({
      { "token abc", { { "a", 1 }, { "b", 2 }, { "c", true } } },
      { { { "string x", {} }, { "date 7", { { "q", true } } } }, { { "w", 1.5 } } },
    }, list)
    assert.is_nil((parse("list", "a,")))
    assert.is_nil((parse("list", "a b")))
    assert.is_nil((parse("dictionary", "A=1")))
  end)

  it("finds a member of a dictionary, the last one of its key", function()
    local field = parse("dictionary", "max-age=1, no-store, max-age=2")
    assert.equal(2, field.count)
    local found = C.structured_field_find(field, slice "max-age")
    assert.equal(2, tonumber(found.item.value.number))
    assert.is_true(C.structured_field_find(field, slice "private") == nil)
  end)

  it("takes as many members and parameters as it says, and no more", function()
    local function members(count) return ("a,"):rep(count - 1) .. "a" end
    local function parameters(count)
      local list = { "a" }
      for i = 1, count do list[#list + 1] = "p" .. i end
      return table.concat(list, ";")
    end
    assert.is_not_nil((parse("list", members(1024))))
    assert.is_nil((parse("list", members(1025))))
    assert.is_not_nil((parse("list", "(" .. ("a "):rep(1024) .. ")")))
    assert.is_nil((parse("list", "(" .. ("a "):rep(1025) .. ")")))
    assert.is_not_nil((parse("item", parameters(256))))
    assert.is_nil((parse("item", parameters(257))))
  end)
end)
