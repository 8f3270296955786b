--- json_syntax_spec: what is JSON, and where a text stops being it.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "base/json_syntax.h"
local slice = runtime.slice

local SUITES = os.getenv "MOONGATE_SUITES" or "../shared/suites"

describe("json_syntax", function()
  local offset = ffi.new "size_t[1]"

  -- Whether it is JSON, and where it is not.
  local function check(text)
    return C.json_syntax_check(slice(text), offset), tonumber(offset[0])
  end

  for _, text in ipairs {
    "0", "-0", "10.5e-3", '""', '"\\u00e9\\n"', "true", "null", " [ ] ", "{}", "[[],{}]",
    '{"a":[1,2,{"b":null}],"c":""}', "[1 , 2]", '"\127\195\169"',
  } do
    it(("takes %s"):format(text), function() assert.is_true((check(text))) end)
  end

  for text, where in pairs {
    [""] = 0, ["01"] = 1, ["2."] = 2, ["-"] = 1, [".5"] = 0, ["1e"] = 2, ["+1"] = 0, ["[1,]"] = 3,
    ["[,1]"] = 1, ['{"a"}'] = 4, ['{"a":1,}'] = 7, ["{1:2}"] = 1, ["[1}"] = 2, ['"a\nb"'] = 2,
    ['"\\x"'] = 2, ['"\\u12g4"'] = 5, ["tru"] = 0, ["1 2"] = 2, ["\f1"] = 0, ["[1"] = 2,
    ["1\0"] = 1, ['"a'] = 2, ["nan"] = 0,
  } do
    it(("refuses %q at byte %d"):format(text, where), function()
      local fits, at = check(text)
      assert.is_false(fits)
      assert.equal(where, at)
    end)
  end

  local LARGEST = "17976931348623157"
  -- Half a unit above the largest double, which is the first number that is rounded to infinity.
  local HALF = "179769313486231580793728971405303415079934132710037826936173778980444968292764"
    .. "750946649017977587207096330286416692887910946555547851940402630657488671505820"
    .. "681908902000708383676273854845817711531764475730270069855571366959622842914819"
    .. "860834936475292719074168444365510704342711559699508093042880177904174497792"

  for _, text in ipairs {
    "1e308", "-1.7976931348623157e308", "1.7976931348623157E+308", "0e999999999999999999999",
    LARGEST .. ("0"):rep(292), "-0." .. ("0"):rep(400) .. "1e700", "1e-400",
    ("1"):rep(400) .. "e-100", HALF:sub(1, -2) .. "1." .. ("9"):rep(500),
    "0." .. LARGEST .. "e309", "1e-99999999999999999999",
  } do
    it(("takes a number that a double can be: %.40s"):format(text), function()
      assert.is_true((check("[" .. text .. ",1]")))
      assert.is_true((check(text)))
    end)
  end

  for _, text in ipairs {
    "1e309", "-1e309", "1e400", "1.7976931348623159e308", ("1"):rep(310), HALF, HALF .. ".0",
    "0." .. ("0"):rep(400) .. "1e800", "1e99999999999999999999", "18" .. ("0"):rep(307) .. "e0",
    "0.18e309",
  } do
    it(("refuses a number that no double can be: %.40s"):format(text), function()
      assert.is_false((check("[" .. text .. ",1]")))
      assert.is_false((check(text)))
    end)
  end

  it("finds what does not fit wherever it is in a long string", function()
    for before = 0, 50 do
      local plain = ("a"):rep(before)
      for _, after in ipairs { "", ("b"):rep(40) } do
        for _, special in ipairs { "\0", "\31", "\n", "\\x" } do
          local fits, at = check('"' .. plain .. special .. after .. '"')
          assert.is_false(fits)
          assert.equal(1 + before + (special == "\\x" and 1 or 0), at)
        end
        for _, fitting in ipairs { " ", "\127", "\128", "\255", "!", "#", "[", "]", "\\\"" } do
          assert.is_true((check('"' .. plain .. fitting .. after .. '"')))
        end
        local fits, at = check('"' .. plain .. '"' .. after)
        assert.equal(after == "", fits)
        assert.equal(before + 2, at)
      end
    end
  end)

  it("takes 128 levels and no more", function()
    assert.is_true((check(("["):rep(128) .. ("]"):rep(128))))
    assert.is_false((check(("["):rep(129) .. ("]"):rep(129))))
  end)

  it("is checked in pieces, each of which ends before a value", function()
    local parts = {}
    for i = 1, 500 do parts[i] = ('{"n":%d,"t":["a,b",null]}'):format(i) end
    local good = "[" .. table.concat(parts, ",") .. "]"
    for text, verdict in pairs {
      [good] = C.JSON_SYNTAX_FITS, [good .. "x"] = C.JSON_SYNTAX_FAILS,
      [good:sub(1, -2)] = C.JSON_SYNTAX_FAILS,
    } do
      local whole, syntax = slice(text), ffi.new "struct json_syntax"
      C.json_syntax_begin(syntax, whole)
      local rounds, found = 0
      repeat
        found, rounds = C.json_syntax_continue(syntax, 100), rounds + 1
        if found == C.JSON_SYNTAX_GOES_ON then
          assert.matches('^[%d{"n%[]', text:sub(tonumber(syntax.at) + 1))
        end
      until found ~= C.JSON_SYNTAX_GOES_ON
      assert.equal(tonumber(verdict), tonumber(found))
      assert.is_true(rounds > #text / 200, rounds)
    end
  end)

  -- The public test data is no part of the tree.
  local list, count = io.popen(("ls '%s'/json-parsing/*.json 2>/dev/null"):format(SUITES)), 0
  for path in list:lines() do
    count = count + 1
    local name = path:match "[^/]+$"
    it("agrees with the public test data: " .. name, function()
      local handle = io.open(path, "rb")
      local fits = check(handle:read "*a")
      handle:close()
      if name:find "^y_" then assert(fits, name .. " is refused") end
      if name:find "^n_" then assert(not fits, name .. " is taken") end
    end)
  end
  list:close()
  if count == 0 then pending "agrees with the public test data, which is not here" end
end)
