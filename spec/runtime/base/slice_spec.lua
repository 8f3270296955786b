--- slice_spec: comparing, trimming and reading runs of bytes.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"
local steps = require "spec.support.steps"

local C = runtime.include "base/slice.h"
pcall(ffi.cdef, "void free(void *);")
local slice, text = runtime.slice, runtime.text

local NONE = slice(nil)

local function elements(list)
  local rest = runtime.box("struct slice", slice(list))
  local element = ffi.new "struct slice[1]"
  local found = {}
  while C.slice_next_element(rest, element) do found[#found + 1] = text(element[0]) end
  return found
end

local function to_number(digits)
  local number = ffi.new("uint64_t[1]", 77)
  if not C.slice_to_uint64(slice(digits), number) then
    assert.equal(77, tonumber(number[0]))
    return nil
  end
  return number[0]
end

describe("slice", function()
  it("is the digits of a number, and back", function()
    local digits = ffi.new "char[20]"
    for _, number in ipairs { 0ULL, 7ULL, 10ULL, 4294967296ULL, 0xffffffffffffffffULL } do
      local written = text(C.slice_of_uint64(number, digits))
      assert.equal((tostring(number):gsub("ULL", "")), written)
      assert.equal(number, to_number(written))
    end
  end)

  it("compares bytes, case and all", function()
    assert.is_true(C.slice_equals(slice "Host", slice "Host"))
    assert.is_false(C.slice_equals(slice "Host", slice "host"))
    assert.is_false(C.slice_equals(slice "Host", slice "Hos"))
    assert.is_true(C.slice_equals(slice "", NONE))
    assert.is_true(C.slice_equals(slice "a\0b", slice "a\0b"))
    assert.is_false(C.slice_equals(slice "a\0b", slice "a\0c"))
  end)

  it("is copied into a string", function()
    for _, bytes in ipairs { "", "a", "Host\0" } do
      local copy = C.slice_to_string(slice(bytes))
      assert.equal(bytes .. "\0", ffi.string(copy, #bytes + 1))
      ffi.C.free(copy)
    end
  end)

  it("compares letters without their case, and nothing but letters", function()
    assert.is_true(C.slice_equals_ignoring_case(slice "Content-TYPE", slice "content-type"))
    assert.is_false(C.slice_equals_ignoring_case(slice "content-type", slice "content-typ"))
    assert.is_false(C.slice_equals_ignoring_case(slice "a@z", slice "a`z"))
    assert.is_false(C.slice_equals_ignoring_case(slice "[", slice "{"))
    assert.is_false(C.slice_equals_ignoring_case(slice "\196", slice "\228"))
    assert.is_true(C.slice_equals_ignoring_case(slice "AZ", slice "az"))
  end)

  it("compares without case wherever in a text bytes differ", function()
    for length = 1, 20 do
      for place = 0, length - 1 do
        local before, after = ("x"):rep(place), ("y"):rep(length - place - 1)
        for byte = 0, 255, (length % 7 == 0) and 1 or 29 do
          local char, flipped = string.char(byte), string.char(bit.bxor(byte, 0x20))
          local expected = char:lower() == flipped:lower() and byte < 128
          local one, other = slice(before .. char .. after), slice(before .. flipped .. after)
          assert.is_true(C.slice_equals_ignoring_case(one, one))
          if C.slice_equals_ignoring_case(one, other) ~= expected then
            error(("%q, %d of %d"):format(char, place, length))
          end
        end
      end
    end
  end)

  it("knows a prefix", function()
    assert.is_true(C.slice_starts_with(slice "/users/1", slice "/users"))
    assert.is_true(C.slice_starts_with(slice "/users", slice "/users"))
    assert.is_true(C.slice_starts_with(slice "", NONE))
    assert.is_false(C.slice_starts_with(slice "/user", slice "/users"))
    assert.is_false(C.slice_starts_with(slice "/Users", slice "/users"))
  end)

  it("trims spaces and tabs at both ends, and nothing else", function()
    assert.equal("a b", text(C.slice_trimmed(slice " \t a b\t ")))
    assert.equal("", text(C.slice_trimmed(slice " \t ")))
    assert.equal("\na\r", text(C.slice_trimmed(slice "\na\r")))
    assert.equal("", text(C.slice_trimmed(slice "")))
  end)

  it("finds the first of a byte, or the end", function()
    assert.equal(1, tonumber(C.slice_find(slice "a,b,c", (","):byte())))
    assert.equal(3, tonumber(C.slice_find(slice "abc", (","):byte())))
    assert.equal(0, tonumber(C.slice_find(NONE, (","):byte())))
  end)

  it("cuts off a beginning", function()
    assert.equal("cd", text(C.slice_after(slice "abcd", 2)))
    assert.equal("", text(C.slice_after(slice "abcd", 4)))
  end)

  it("reads numbers up to the largest of 64 bits", function()
    assert.equal(0ULL, to_number "0")
    assert.equal(10ULL, to_number "0010")
    assert.equal(18446744073709551615ULL, to_number "18446744073709551615")
  end)

  for _, wrong in ipairs {
    "", " 1", "1 ", "+1", "-1", "0x1", "1a", "1,1", "18446744073709551616",
    "99999999999999999999", "/", ":", "1\0",
  } do
    it(("reads no number in %q"):format(wrong), function()
      assert.is_nil(to_number(wrong))
    end)
  end

  it("walks a list, over empty elements and blanks", function()
    assert.same({ "gzip", "br;q=0.5", "x y" }, elements " gzip ,, br;q=0.5\t,x y,")
    assert.same({}, elements " , ,")
    assert.same({}, elements "")
    assert.same({ "one" }, elements "one")
  end)

  it("finds a token in a list without its case, and whole", function()
    assert.is_true(C.slice_list_has(slice "keep-alive, Upgrade", slice "upgrade"))
    assert.is_false(C.slice_list_has(slice "keep-alive, Upgraded", slice "upgrade"))
    assert.is_false(C.slice_list_has(slice "keep-alive upgrade", slice "upgrade"))
    assert.is_false(C.slice_list_has(slice "", slice "upgrade"))
  end)

  it("compares secrets, in every byte", function()
    assert.is_true(C.slice_equals_secret(slice "s3cret", slice "s3cret"))
    assert.is_true(C.slice_equals_secret(slice "", slice ""))
    assert.is_false(C.slice_equals_secret(slice "s3cret", slice "s3cre"))
    for i = 1, 6 do
      local other = ("s3cret"):sub(1, i - 1) .. "x" .. ("s3cret"):sub(i + 1)
      assert.is_false(C.slice_equals_secret(slice "s3cret", slice(other)))
    end
    assert.is_false(C.slice_equals_secret(slice "ab", slice "ba"))
    for length = 1, 26 do
      local one = ("abcdefghijklmnopqrstuvwxyz"):sub(1, length)
      assert.is_true(C.slice_equals_secret(slice(one), slice(one)))
      for i = 1, length do
        local other = one:sub(1, i - 1) .. "A" .. one:sub(i + 1)
        assert.is_false(C.slice_equals_secret(slice(one), slice(other)))
      end
    end
  end)

  -- But for a few of the interpreter's: an end at the first difference would save thousands.
  it("compares secrets in as many steps wherever they differ", function()
    local secret = ("0123456789abcdef"):rep(64)
    local right = slice(secret)
    local function count(value)
      local other = slice(value)
      return steps.of(function() C.slice_equals_secret(right, other) end)
    end
    local same = count(secret)
    for _, at in ipairs { 1, 2, 512, 1024 } do
      assert.near(same, count(secret:sub(1, at - 1) .. "x" .. secret:sub(at + 1)), 50)
    end
    assert.is_true(count "x" < same - 1000) -- steps do count
  end)

  it("compares with a known token as it does without case", function()
    local token = "x-2abcdefghijklmnopqrst"
    for length = 1, #token do
      local known = token:sub(1, length)
      assert.is_true(C.slice_is_token(slice(known:upper()), slice(known)))
      assert.is_false(C.slice_is_token(slice(known .. "x"), slice(known)))
      for at = 1, length do
        for octet = 0, 255 do
          local other = known:sub(1, at - 1) .. string.char(octet) .. known:sub(at + 1)
          local expected = other:lower() == known
          if C.slice_is_token(slice(other), slice(known)) ~= expected then error(other) end
        end
      end
    end
  end)
end)
