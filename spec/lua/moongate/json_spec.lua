-- The functions of abi.h have to be seen by ffi.C, as they are in the binary.
require "ffi".load(os.getenv "MOONGATE_SPEC_LIBRARY" or "build/release/libmoongate-spec.so", true)
package.cpath = package.cpath .. ";./?.so"
local json = require "moongate.json"

describe("json", function()
  -- Decoded and encoded again.
  local function again(text) return json.encode(assert(json.decode(text))) end

  it("keeps empty arrays and empty objects apart", function()
    for _, text in ipairs {
      "[]", "{}", "[[]]", "[{}]", '{"a":[]}', '{"a":{}}', "[[],{},[]]", '[[[]],"[]"]',
    } do
      assert.equal(text, again(text))
    end
    assert.equal('{"a":[]}', again '{"a" : [ \n\t ]}')
  end)

  it("does not look for arrays inside of strings", function()
    for _, text in ipairs { '["[]",[]]', '["\\"[]",[]]', '["a\\\\",[],"[ ]"]', '{"[]":[]}' } do
      assert.equal(text, again(text))
    end
  end)

  it("writes numbers exactly", function()
    for _, text in ipairs {
      "0", "-1", "9007199254740991", "-9007199254740991", "123456789012345", "1700000000123456",
      "0.1", "0.30000000000000004", "99999999999999", "100000000000001",
    } do
      assert.equal("[" .. text .. "]", again("[" .. text .. "]"))
    end
  end)

  it("has empty tables as objects unless told otherwise", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array {}))
    assert.equal('{"list":[]}', json.encode { list = json.array {} })
    assert.equal("[1,2]", json.encode(json.array { 1, 2 }))
  end)

  it("does not change what it encodes", function()
    local list = json.array {}
    local value = { list = list, number = 2 ^ 53 - 1 }
    json.encode(value)
    assert.equal(list, value.list)
    assert.equal(2 ^ 53 - 1, value.number)
  end)

  it("has a null of its own", function()
    assert.equal('{"a":null}', again '{"a":null}')
    assert.equal(json.null, json.decode('{"a":null}').a)
  end)

  it("says what is wrong with a text", function()
    local deep = ("["):rep(200)
    for _, text in ipairs { "", "{", "[1,]", "nul", "[] []", "[[]", '["[]', "[NaN]", deep,
      "[1e400]", '{"a":-1e999}' } do
      local value, reason = json.decode(text)
      assert.is_nil(value)
      assert.is_string(reason)
    end
  end)

  it("raises for what JSON cannot say", function()
    local cycle = {}
    cycle.self = cycle
    for _, value in ipairs { print, 1 / 0, 0 / 0, cycle } do
      assert.has_error(function() json.encode { value } end)
    end
  end)
end)
