local upstream = require "spec.support.upstream"

local C = upstream.C
local NEVER, FREE, COUNTED = 0, 1, 2

-- Facts: Idempotent, rePlayable, Answer handed on, Sent, Reused connection, Untouched by the peer.
local CASES = {
  { "upstream-refused", "I P", COUNTED, "nothing was sent" },
  { "upstream-refused", "P", COUNTED, "nothing was sent, whatever the method" },
  { "upstream-dns-error", "P", COUNTED, "there was no connection" },
  { "upstream-connect-timeout", "P", COUNTED, "there was no connection in time" },
  { "upstream-tls-error", "P", COUNTED, "there was no handshake" },
  { "upstream-closed", "I P S", COUNTED, "idempotent, on a fresh connection" },
  { "upstream-closed", "I S", NEVER, "the body is gone" },
  { "upstream-closed", "I P S A", NEVER, "an answer had begun" },
  { "upstream-closed", "P S", NEVER, "it may have been processed" },
  { "upstream-closed", "P S U", COUNTED, "nothing of it arrived" },
  { "upstream-tls-error", "I P S R", COUNTED, "that is not how connections go stale" },
  { "upstream-closed", "I P S R", FREE, "the pool's connection was stale" },
  { "upstream-closed", "P S R U", FREE, "stale, and nothing arrived" },
  { "upstream-closed", "P S R", NEVER, "stale perhaps, but something arrived" },
  { "upstream-closed", "S R U", NEVER, "stale, but the body is gone" },
  { "upstream-closed", "I P S R A", NEVER, "an answer had begun on the kept connection" },
  { "upstream-timeout", "I P S", NEVER, "slow servers are not asked twice" },
  { "upstream-stalled", "I P S", NEVER, "the answer had begun" },
  { "upstream-malformed", "I P S", NEVER, "it would say the same again" },
  { "upstream-incomplete", "I P S", NEVER, "the answer had begun" },
  { "upstream-limit", "I P", NEVER, "there is nowhere to go" },
  { "timeout", "I P", NEVER, "the time is up" },
}

describe("retry", function()
  for _, case in ipairs(CASES) do
    local fault, facts, verdict, why = case[1], case[2], case[3], case[4]
    it(("decides %s with %s: %s"):format(fault, facts, why), function()
      assert.equal(verdict, C.driver_decide(upstream.fault(fault), facts))
    end)
  end

  it("never sends again what was sent and may not be, for any fault and any fact", function()
    for fault = 1, 60 do
      if fault >= upstream.fault "client-gone" then break end
      for _, facts in ipairs { "P S", "P S R", "S R U", "P S A U", "I P S A", "A I P" } do
        assert.equal(NEVER, C.driver_decide(fault, facts))
      end
    end
  end)
end)
