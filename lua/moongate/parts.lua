--- parts: where request and response objects keep what is their own.
--
-- Numbers, not names: so an object is one small piece of memory, and no plugin takes them for its
-- fields. An object is made for each phase and holds nothing itself: compiled code then never makes
-- it. What lasts from phase to phase is the state, one table for each slot of the pool of
-- exchanges, which belongs to the exchange whose serial it has; only who has compared serials may
-- look at it.

return {
  -- Of objects:
  HANDLE = 1,   -- pointer to the exchange
  SERIAL = 2,   -- of the exchange, when the object was made for it; of states, too
  STATE = 3,
  -- Of states, false until there is one:
  BODY = 1,     -- the request's whole one, once it has been collected
  RESPONSE_BODY = 3,
  CONTEXT = 4,
  CONSUMER = 5,
  RESPONDS = 6, -- whether the response phase has begun
  SHAPE = 7,    -- of the chain
  BARRED = 8,   -- steps that raised in the response phase
  STEP = 9,     -- of the chain, running; see chain.lua
  ASKED = 10,   -- bit set of the steps whose `when` has been asked,
  ACTIVE = 11,  -- ... and of what it said
  CLAIMS = 12,  -- of its token, until there is a context
}
