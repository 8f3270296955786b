--- credential_makers: what a credential of each type is made of, when the admin API is given one.
--
-- Each function returns what the credential is found by, the fields that its consumer's record
-- has, what only the answer has, and what the index has of it; or nil and a problem. Of keys and
-- passwords only hashes are kept; what signatures are verified by has to be.

local crypto = require "moongate.crypto"
local jwt_given = require "moongate.jwt.given"
local jwt_keys = require "moongate.jwt.keys"
local passwords = require "moongate.passwords"

local makers = {}

local KEY_BYTES, KEY_BYTES_MIN, KEY_BYTES_MAX = 32, 16, 512
local ID_BYTES = 9
-- As the store takes them; consumer_keys.lua looks for no longer ones.
local NAME_BYTES_MAX = 256

makers.BUSY = { 503, "busy", "Too many passwords are being hashed, or changes made; try again." }


function makers.key(given)
  local key = given.key or crypto.base64url(crypto.random(KEY_BYTES))
  if #key < KEY_BYTES_MIN or #key > KEY_BYTES_MAX then
    return nil, { 422, "bad-key", "A key has 16 to 512 bytes." }
  end
  return "key/" .. crypto.sha256(key), {}, { key = key }
end

function makers.password(given, name)
  if not given.password or given.password == "" then
    return nil, { 422, "no-password", "A password is required." }
  end
  local hash = passwords.hash(given.password)
  if not hash then return nil, makers.BUSY end
  local username = given.username or name
  return "basic/" .. username, { username = username, hash = hash }
end

function makers.hmac(given)
  local secret = given.secret or crypto.base64url(crypto.random(KEY_BYTES))
  local id = given.hmac_id or crypto.base64url(crypto.random(ID_BYTES))
  return "hmac/" .. id, { hmac_id = id }, { secret = secret }, secret
end

function makers.certificate(given)
  local text = given.certificate
  if not text or text == "" then
    return nil, { 422, "no-certificate", "A fingerprint, a subject or a name is required." }
  end
  if text:find "^sha256:" or text:find "^dns:" then text = text:lower() end
  return "certificate/" .. text, { certificate = text }
end

function makers.jwt(given, name)
  local key = { secret = given.secret, pem = given.pem, jwk = given.jwk, kid = given.kid,
    algorithm = given.algorithm }
  local fault, made = jwt_given.fault(key), nil
  if not fault then made, fault = jwt_given.make(key) end
  if not made then return nil, { 422, "bad-key", "The key cannot be used: " .. fault .. "." } end
  jwt_keys.forget { made }
  key.algorithm = made.algorithm
  local id = given.jwt_id or name
  return "jwt/" .. id, { jwt_id = id, kid = made.kid or nil, algorithm = made.algorithm,
    given = key }
end

-- Names go into keys of the store, whose length has an end.
local function bounded(make)
  return function(given, name)
    local ref, fields, shown, secret = make(given, name)
    if ref and #ref > NAME_BYTES_MAX then
      return nil, { 422, "too-long", "What the credential is found by has more than 248 bytes." }
    end
    return ref, fields, shown, secret
  end
end

for _, type in ipairs { "key", "password", "hmac", "certificate", "jwt" } do
  makers[type] = bounded(makers[type])
end

return makers
