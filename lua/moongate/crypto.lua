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

local parts = bridge.new "struct slice[4]"

local function set_part(at, bytes) parts[at].start, parts[at].length = bytes, #bytes end

--- A key made of a secret (RFC 5869, HKDF with SHA-256).
---@param secret string  not empty; one that nobody guesses, so no password
---@param salt string
---@param info string    what the key is for: another one gives another key
---@param count integer  bytes, at most 8160
---@return string key
function crypto.hkdf_sha256(secret, salt, info, count)
  set_part(0, secret)
  set_part(1, salt)
  set_part(2, info)
  local out = room(count)
  if not C.moon_hkdf_sha256(parts, out, count) then error("no key can be made of this", 2) end
  return text_of(out, count)
end

local KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 24, 16

local function set_parts(key, nonce, bytes, bound)
  if #key ~= KEY_BYTES or #nonce ~= NONCE_BYTES then
    error("a key has 32 bytes, a nonce 24", 3)
  end
  set_part(0, key)
  set_part(1, nonce)
  set_part(2, bound)
  set_part(3, bytes)
end

--- Encrypts so that crypto.open notices each change (AES-256-GCM under a key for each message).
---@param key string    32 bytes, as of crypto.hkdf_sha256
---@param nonce string  24 bytes of crypto.random, drawn anew each time and kept beside the result
---@param text string
---@param bound string  what has to be the same when it is opened, and is not in it
---@return string sealed  16 bytes longer
function crypto.seal(key, nonce, text, bound)
  set_parts(key, nonce, text, bound)
  local out = room(#text + TAG_BYTES)
  if not C.moon_seal(parts, out) then error("AES-256-GCM is not to be had", 2) end
  return text_of(out, #text + TAG_BYTES)
end

--- What crypto.seal has encrypted; nil unless all is as it was.
---@param key string
---@param nonce string
---@param sealed string
---@param bound string
---@return string? text
function crypto.open(key, nonce, sealed, bound)
  set_parts(key, nonce, sealed, bound)
  local out = room(#sealed)
  if not C.moon_open(parts, out) then return nil end
  return text_of(out, #sealed - TAG_BYTES)
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
