--- parts: where request and response objects keep what is their own.
--
-- Numbers, not names: so an object is one small piece of memory, and no plugin takes them for its
-- fields.

return {
  HANDLE = 1,   -- pointer to the exchange
  SERIAL = 2,   -- of the exchange, when the object was made for it
  HEADERS = 3,  -- false until somebody asks for it, as all below
  BODY = 4,     -- the whole one, once it has been collected
  -- Of requests alone:
  CONTEXT = 5,
  CONSUMER = 6,
  RESPONSE = 7, -- the response object
  SHAPE = 8,    -- of the chain
  BARRED = 9,   -- steps that raised in the response phase
  STEP = 10,    -- of the chain, running; see chain.lua
  ASKED = 11,   -- bit set of the steps whose `when` has been asked,
  ACTIVE = 12,  -- ... and of what it said
}
