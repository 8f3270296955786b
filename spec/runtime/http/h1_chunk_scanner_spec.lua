local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "http/h1_chunk_scanner.h"
local slice = runtime.slice

describe("h1_chunk_scanner", function()
  local scanner, used

  before_each(function()
    scanner, used = ffi.new "struct h1_chunk_scanner", ffi.new "size_t[1]"
    C.h1_chunk_scanner_init(scanner, 100)
  end)

  local function scan(bytes)
    local verdict = tonumber(C.h1_chunk_scanner_scan(scanner, slice(bytes), used))
    return verdict, tonumber(used[0])
  end

  it("stops where data begins and says how much of it", function()
    assert.same({ C.H1_CHUNK_DATA, 4 }, { scan "1F\r\nabc" })
    assert.equal(31, tonumber(scanner.left))
  end)

  it("stays there until data is taken", function()
    scan "3\r\n"
    assert.same({ C.H1_CHUNK_DATA, 0 }, { scan "abc" })
    C.h1_chunk_scanner_take(scanner, 1)
    assert.same({ C.H1_CHUNK_DATA, 0 }, { scan "bc" })
    C.h1_chunk_scanner_take(scanner, 2)
    assert.same({ C.H1_CHUNK_MORE, 2 }, { scan "\r\n" })
    assert.same({ C.H1_CHUNK_DATA, 4 }, { scan "12\r\n" })
  end)

  it("stops where trailers begin", function()
    assert.same({ C.H1_CHUNK_TRAILERS, 3 }, { scan "0\r\n\r\n" })
    assert.same({ C.H1_CHUNK_TRAILERS, 0 }, { scan "\r\n" })
  end)

  it("says which byte it refuses", function()
    assert.same({ C.H1_CHUNK_REFUSED, 1 }, { scan "3 \r\n" })
  end)

  it("reads sizes up to 2^63 - 1", function()
    assert.same({ C.H1_CHUNK_DATA, 18 }, { scan "7FFFffffFFFFffff\r\n" })
    assert.is_true(scanner.left == 0x7fffffffffffffffULL)
    C.h1_chunk_scanner_init(scanner, 100)
    assert.same({ C.H1_CHUNK_REFUSED, 15 }, { scan "8000000000000000\r\n" })
  end)

  for _, extension in ipairs {
    ";a", ";a=b", ";a;b", ';a=""', ';a="b"', ';a="\\""', ';a="\\\\";b', "; a", ";\ta = b", ";a ;b",
    ";a=b ;c", ';a="b" ; c', ";a = \"b\"", ";!#$%&'*+-.^_`|~=1",
  } do
    it("takes the extension " .. extension, function()
      assert.same({ C.H1_CHUNK_DATA, #extension + 3 }, { scan("3" .. extension .. "\r\n") })
    end)
  end

  for _, extension in ipairs {
    ";", ";;a", ";a;", ";=b", ";a=", ";a==b", ";a b", ";a=b c", ';a="b', ';a="b\\"', ';a="b"c',
    ';a"b"', ";a ", ";a=b ", ';a="b" ', ";a,b", ";a=\233", ";\233", ';a="\127"', ';a="\\\1"', " ;a",
  } do
    it(("refuses the extension %q"):format(extension), function()
      assert.equal(C.H1_CHUNK_REFUSED, (scan("3" .. extension .. "\r\n")))
    end)
  end
end)
