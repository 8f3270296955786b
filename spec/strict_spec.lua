--- strict: what is refused at the door, and what is let through, row by row.

local h1 = require "spec.support.h1"
local rows = require "spec.support.strict_rows"

local function read(row, cuts)
  if row.request then return h1.read_request(row.request, cuts) end
  return h1.read_response(row.response, cuts, row.method)
end

local function title(row)
  return (row.request and "a request with " or "a response with ") .. row.name
end

-- Every cut of a short message, the neighbourhood of both ends of a long one.
local function cuts_of(bytes)
  local cuts = {}
  for cut = 1, #bytes - 1 do
    if cut < 300 or cut > #bytes - 20 then cuts[#cuts + 1] = cut end
  end
  return cuts
end

describe("the strict reader refuses", function()
  for _, row in ipairs(rows.refused) do
    it(title(row), function()
      local reading = read(row)
      assert.equal(row.status, reading.status, reading.fault)
      assert.equal(row.in_body and "body" or "head", reading.part)
      if row.fault then assert.equal(row.fault, reading.fault) end
    end)
  end

  it("each of them in the same way however its bytes are cut", function()
    for _, row in ipairs(rows.refused) do
      local whole = read(row)
      for _, cut in ipairs(cuts_of(row.request or row.response)) do
        local torn = read(row, { cut })
        local where = title(row) .. " cut at " .. cut
        assert.equal(whole.fault, torn.fault, where)
        assert.equal(whole.offset, torn.offset, where)
      end
    end
  end)
end)

describe("the strict reader passes", function()
  for _, row in ipairs(rows.passed) do
    it(title(row), function()
      local reading = read(row)
      assert.equal("NONE", reading.fault)
      assert.equal(row.body or "", reading.data)
      assert.equal("", reading.rest)
    end)
  end

  it("each of them with the same body however its bytes are cut", function()
    for _, row in ipairs(rows.passed) do
      for _, cut in ipairs(cuts_of(row.request or row.response)) do
        local torn = read(row, { cut })
        local where = title(row) .. " cut at " .. cut
        assert.equal("NONE", torn.fault, where)
        assert.equal(row.body or "", torn.data, where)
      end
    end
  end)

  it("each of them byte by byte", function()
    for _, row in ipairs(rows.passed) do
      local all = {}
      for cut = 1, #(row.request or row.response) - 1 do all[cut] = cut end
      local torn = read(row, #all < 1000 and all or {})
      assert.equal("NONE", torn.fault, title(row))
      assert.equal(row.body or "", torn.data, title(row))
    end
  end)
end)
