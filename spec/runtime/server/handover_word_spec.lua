--- handover_word_spec: what two masters say to one another.

local ffi = require "ffi"
local runtime = require "spec.support.runtime"

local C = runtime.include "server/handover_word.h"
local slice, text = runtime.slice, runtime.text

describe("handover_word", function()
  local ends, received

  before_each(function()
    ends = ffi.new "struct channel *[2]"
    assert.is_true(C.channel_create_pair(ends))
    received = ffi.new "struct channel_message"
  end)

  after_each(function()
    for i = 0, 1 do C.channel_destroy(ends + i) end
  end)

  local function receive()
    assert.equal(C.CHANNEL_MESSAGE, C.channel_receive(ends[1], received))
    local parts = ffi.new "struct slice[2]"
    local is_word = C.handover_word_read(received, parts, parts + 1)
    return is_word, text(parts[0]), text(parts[1])
  end

  for _, rest in ipairs { "", "rest", "two words", "\0\1 \n" } do
    it(("carries a word and %q"):format(rest), function()
      assert.is_true(C.handover_word_send(ends[0], "word", slice(rest), nil, 0))
      assert.same({ true, "word", rest }, { receive() })
    end)
  end

  it("is not what masters and workers say", function()
    local message = ffi.new "struct channel_message"
    message.kind, message.text = C.CHANNEL_STARTED, slice "word rest"
    assert.is_true(C.channel_send(ends[0], message))
    assert.is_false((receive()))
  end)
end)
