--- json_writer_spec: JSON put together piece by piece.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("base/buffer.h", "base/json_writer.h")
local slice, text = runtime.slice, runtime.text

describe("json_writer", function()
  local buffer, writer

  local function begin(bytes_max)
    buffer, writer = ffi.new "struct buffer", ffi.new "struct json_writer"
    C.buffer_init(buffer, bytes_max or 1000, nil)
    C.json_writer_init(writer, buffer)
  end

  local function written() return text(C.buffer_slice(buffer)) end

  before_each(function() begin() end)
  after_each(function() C.buffer_clear(buffer) end)

  it("puts commas where they belong", function()
    C.json_writer_open_object(writer, nil)
    C.json_writer_put_number(writer, "one", 1)
    C.json_writer_open_array(writer, "list")
    C.json_writer_put_flag(writer, nil, true)
    C.json_writer_open_object(writer, nil)
    C.json_writer_close_object(writer)
    C.json_writer_put_string(writer, nil, "x")
    C.json_writer_close_array(writer)
    C.json_writer_open_array(writer, "none")
    C.json_writer_close_array(writer)
    C.json_writer_put_raw(writer, "raw", slice "[1]")
    C.json_writer_close_object(writer)
    assert.equal('{"one":1,"list":[true,{},"x"],"none":[],"raw":[1]}', written())
    assert.is_true(C.json_writer_is_whole(writer))
  end)

  it("quotes what a text may not hold", function()
    C.json_writer_put_text(writer, nil, slice 'a"b\\c\n\0é\127')
    assert.equal('"a\\u0022b\\u005cc\\u000a\\u0000é\\u007f"', written())
  end)

  it("replaces bytes that are not UTF-8", function()
    C.json_writer_put_text(writer, nil, slice "a\255\192\175b\226\130")
    assert.equal('"a\\ufffd\\ufffd\\ufffdb\\ufffd\\ufffd"', written())
  end)

  it("writes numbers as numbers", function()
    C.json_writer_open_array(writer, nil)
    for _, number in ipairs { 0, -3, 9007199254740991, 1.5, 1700000000.1239 } do
      C.json_writer_put_number(writer, nil, number)
    end
    C.json_writer_close_array(writer)
    assert.equal("[0,-3,9007199254740991,1.500,1700000000.124]", written())
  end)

  it("tells when something had no room", function()
    begin(8)
    C.json_writer_put_string(writer, nil, "0123456789")
    assert.is_false(C.json_writer_is_whole(writer))
  end)
end)
