local runtime = require "spec.support.runtime"
local C = runtime.include("base/slice.h", "base/utf8.h")

describe("utf8", function()
  local function is_valid(text) return C.utf8_is_valid(runtime.slice(text)) end

  it("knows characters of one to four bytes", function()
    for _, text in ipairs { "", "\0", "plain", "\127", "\194\128", "\223\191", "\224\160\128",
      "\237\159\191", "\238\128\128", "\239\191\191", "\240\144\128\128", "\244\143\191\191",
      "gr\195\188n\226\130\172\240\159\152\128!" } do
      assert.is_true(is_valid(text))
    end
  end)

  it("refuses all that is no character", function()
    for _, text in ipairs { "\128", "\191", "\192\128", "\193\191", "\194", "\194\065",
      "\224\159\191", "\224\160", "\237\160\128", "\237\191\191", "\240\143\191\191",
      "\240\144\128", "\244\144\128\128", "\245\128\128\128", "\254", "\255", "a\195(",
      "\226\130\172\172" } do
      assert.is_false(is_valid(text))
    end
  end)

  it("looks at every byte of a long text", function()
    for before = 0, 70 do
      for after = 0, 70, 7 do
        local one, other = ("a"):rep(before), ("b"):rep(after)
        assert.is_true(is_valid(one .. "\226\130\172" .. other))
        assert.is_false(is_valid(one .. "\130" .. other))
        assert.is_false(is_valid(one .. "\226\130" .. other))
      end
    end
  end)
end)
