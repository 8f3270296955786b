--- crypto: digests, encodings and random bytes.
--
--     local tag = crypto.hmac_sha256(secret, text)
--     if not crypto.equals(tag, crypto.from_hex(given) or "") then ... end
--
-- Decoders take what the encoders write and nothing else: no blanks, no other alphabet, no missing
-- padding, no stray bits. What they refuse gives nil and a message.

local bridge = require "moongate.ffi"

local C, room, text_of = bridge.C, bridge.room, bridge.string

---@class moongate.crypto
local crypto = {}

local DIGEST_BYTES = 32
local RANDOM_BYTES_MAX = 65536

---@param bytes string
---@return string digest  32 bytes
function crypto.sha256(bytes)
  local out = room(DIGEST_BYTES)
  if not C.moon_sha256(bytes, #bytes, out) then error("SHA-256 is not to be had", 2) end
  return text_of(out, DIGEST_BYTES)
end

---@param key string
---@param bytes string
---@return string code  32 bytes
function crypto.hmac_sha256(key, bytes)
  local out = room(DIGEST_BYTES)
  if not C.moon_hmac_sha256(key, #key, bytes, #bytes, out) then
    error("HMAC-SHA-256 is not to be had", 2)
  end
  return text_of(out, DIGEST_BYTES)
end

--- Whether both are the same, found in a time that says nothing about where they differ.
---@param one string
---@param other string
---@return boolean
function crypto.equals(one, other)
  return #one == #other and C.moon_equals(one, other, #one)
end

--- Bytes that nobody can guess.
---@param count integer  1 to 65536
---@return string bytes
function crypto.random(count)
  if type(count) ~= "number" or count % 1 ~= 0 or count < 1 or count > RANDOM_BYTES_MAX then
    error("1 to 65536 random bytes can be had at once", 2)
  end
  local out = room(count)
  if not C.moon_random(out, count) then error("no random bytes are to be had", 2) end
  return text_of(out, count)
end

---@param bytes string
---@return string text  lower case
function crypto.hex(bytes)
  local out = room(2 * #bytes)
  C.moon_hex_encode(bytes, #bytes, out)
  return text_of(out, 2 * #bytes)
end

---@param text string  digits of either case
---@return string? bytes
---@return string? why
function crypto.from_hex(text)
  local out = room(#text)
  if not C.moon_hex_decode(text, #text, out) then return nil, "this is not hex" end
  return text_of(out, #text / 2)
end

local function encode(bytes, is_url)
  local out = room(math.ceil(#bytes / 3) * 4)
  return text_of(out, C.moon_base64_encode(bytes, #bytes, is_url, out))
end

local function decode(text, is_url)
  local out = room(#text)
  local length = C.moon_base64_decode(text, #text, is_url, out)
  if length < 0 then return nil end
  return text_of(out, length)
end

---@param bytes string
---@return string text  with padding
function crypto.base64(bytes)
  return encode(bytes, false)
end

---@param text string  with padding
---@return string? bytes
---@return string? why
function crypto.from_base64(text)
  local bytes = decode(text, false)
  if not bytes then return nil, "this is not base64" end
  return bytes
end

---@param bytes string
---@return string text  of letters, digits, - and _, without padding
function crypto.base64url(bytes)
  return encode(bytes, true)
end

---@param text string  without padding
---@return string? bytes
---@return string? why
function crypto.from_base64url(text)
  local bytes = decode(text, true)
  if not bytes then return nil, "this is not base64url" end
  return bytes
end

return crypto
