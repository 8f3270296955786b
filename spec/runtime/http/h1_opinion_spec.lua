local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include("http/h1_opinion.h")

local OPINIONS_MAX, TEXT_BYTES_MAX = 128, 144

describe("h1_opinion", function()
  local opinions

  before_each(function() opinions = C.h1_opinions_create() end)
  after_each(function()
    C.h1_opinions_destroy(ffi.new("struct h1_opinions *[1]", opinions))
  end)

  -- The fault, the opinion, and how far http-parser came, for texts in pieces.
  local function ask(pieces, is_response, memory)
    local slices = ffi.new("struct slice[?]", #pieces)
    for i, piece in ipairs(pieces) do slices[i - 1] = runtime.slice(piece) end
    local opinion, used = ffi.new "struct h1_opinion", ffi.new "size_t[1]"
    local question = ffi.new("struct h1_question", slices, #pieces, is_response or false)
    local fault = C.h1_opinion_ask(memory or opinions, question, opinion, used)
    return tonumber(fault), opinion, tonumber(used[0])
  end

  local REQUEST = { "GET /", " HTTP/1.1\r\n", "Content-Length: 5\r\n", "\r\n" }
  local RESPONSE = { "HTTP/1.0 203 Well\r\nConnection: keep-alive\r\n", "\r\n" }

  it("is http-parser's, of a request in pieces", function()
    for _ = 1, 2 do -- asked, then remembered
      local fault, opinion, used = ask(REQUEST)
      assert.equal(C.FAULT_NONE, fault)
      assert.equal(5, tonumber(opinion.content_length))
      assert.equal(1, opinion.minor_version)
      assert.is_false(opinion.is_chunked)
      assert.equal(#table.concat(REQUEST), used)
    end
  end)

  it("is http-parser's, of a response", function()
    for _ = 1, 2 do
      local fault, opinion = ask(RESPONSE, true)
      assert.equal(C.FAULT_NONE, fault)
      assert.equal(203, opinion.status)
      assert.equal(0, opinion.minor_version)
      assert.is_true(opinion.keeps_alive)
      assert.is_false(opinion.closes)
      assert.equal(2 ^ 64, tonumber(opinion.content_length)) -- 2^64 - 1, as a Lua number
    end
  end)

  it("needs no memory", function()
    assert.equal(C.FAULT_NONE, (ask(REQUEST, false, ffi.cast("struct h1_opinions *", nil))))
  end)

  it("is asked again of what it refused, with the same offence", function()
    for _ = 1, 2 do
      local fault, _, used = ask { "GET /", " HTTP/1.1\r\n", "Content-Length: x\r\n", "\r\n" }
      assert.equal(C.FAULT_REQUEST_MALFORMED, fault)
      assert.equal(#"GET / HTTP/1.1\r\nContent-Length: ", used)
    end
  end)

  it("has no opinion on methods that http-parser does not know", function()
    assert.equal(C.FAULT_METHOD_UNKNOWN, (ask { "GRAB / HTTP/1.1\r\n\r\n" }))
  end)

  it("refuses a head that ends early, or not at all", function()
    assert.equal(C.FAULT_REQUEST_MALFORMED, (ask { "GET / HTTP/1.1\r\n\r\n", "\r\n" }))
    assert.equal(C.FAULT_REQUEST_MALFORMED, (ask { "GET / HTTP/1.1\r\n" }))
    assert.equal(C.FAULT_UPSTREAM_MALFORMED, (ask({ "HTTP/1.1 200 OK\r\n" }, true)))
  end)

  it("does not take a request for a response with the same bytes", function()
    ask(RESPONSE, true)
    assert.is_true(ask(RESPONSE) ~= C.FAULT_NONE)
    ask(REQUEST)
    assert.is_true(ask(REQUEST, true) ~= C.FAULT_NONE)
  end)

  it("keeps apart what meets in one place", function()
    for length = 0, 4 * OPINIONS_MAX do
      local fault, opinion = ask { ("PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"):format(length) }
      assert.equal(C.FAULT_NONE, fault)
      assert.equal(length, tonumber(opinion.content_length))
    end
    for length = 4 * OPINIONS_MAX, 0, -1 do
      local _, opinion = ask { ("PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"):format(length) }
      assert.equal(length, tonumber(opinion.content_length))
    end
  end)

  it("is the same of texts that are too long to remember", function()
    for extra = -2, 2 do
      local start, rest = "GET /", " HTTP/1.1\r\nConnection: close\r\n\r\n"
      local target = ("x"):rep(TEXT_BYTES_MAX + extra - #start - #rest)
      for _ = 1, 2 do
        local fault, opinion, used = ask { start, target, rest }
        assert.equal(C.FAULT_NONE, fault)
        assert.is_true(opinion.closes)
        assert.equal(TEXT_BYTES_MAX + extra, used)
      end
    end
  end)
end)
