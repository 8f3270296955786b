--- passwords: salted hashes of passwords, and whether a password is that of one.
--
-- Hashing takes long on purpose (scrypt); it is done beside the event loop. Of pairs that are right
-- a worker keeps a keyed hash, so that the next requests cost next to nothing. A password that
-- stands in the configuration itself is kept as a salted SHA-256, which is enough to keep it out of
-- memory dumps.

local core = require "moongate.core.password"
local crypto = require "moongate.crypto"
local kept = require "moongate.kept"

---@class moongate.passwords
local passwords = {}

-- RFC 7914: N, with r = 8 and p = 1.
local COST = 16384
local COST_MAX = 1048576
local SALT_BYTES = 16
local PASSWORD_BYTES_MAX = 1024

local KEPT_MAX = 4096
local known = kept(KEPT_MAX)
local secret -- of this worker's memory of pairs

--- A hash of the password; waits.
---@param password string
---@return string? hash  nil: too many wait for theirs
function passwords.hash(password)
  local salt = crypto.random(SALT_BYTES)
  local hash = core.hash(password, salt, COST)
  if not hash then return nil end
  return ("scrypt:%d:%s:%s"):format(COST, crypto.base64(salt), crypto.base64(hash))
end

--- For build_consumers.lua: the hash of what is no secret to the process; at once.
---@param password string
---@return string hash
function passwords.quick_hash(password)
  local salt = crypto.random(SALT_BYTES)
  return ("sha256:0:%s:%s"):format(crypto.base64(salt),
    crypto.base64(crypto.hmac_sha256(salt, password)))
end

-- kind, cost, salt, hash; nil when it is none.
local function take_apart(text)
  local kind, cost, salt, hash = text:match "^(%w+):(%d+):([^:]+):([^:]+)$"
  salt, hash = salt and crypto.from_base64(salt), hash and crypto.from_base64(hash)
  if not salt or not hash or #hash ~= 32 or not (kind == "scrypt" or kind == "sha256") then
    return nil
  end
  return kind, tonumber(cost), salt, hash
end

local function compute(password, text)
  local kind, cost, salt, hash = take_apart(text)
  if not kind or cost > COST_MAX then return false end
  if kind == "sha256" then return crypto.equals(crypto.hmac_sha256(salt, password), hash) end
  local computed = core.hash(password, salt, cost)
  if not computed then return nil end
  return crypto.equals(computed, hash)
end

-- What a password is held against where there was nothing that takes long: an unknown user's, and a
-- wrong one of a user whose hash is quick.
local NOBODY

local function compute_nobody(password)
  NOBODY = NOBODY or ("scrypt:%d:%s:%s"):format(COST, crypto.base64(crypto.random(SALT_BYTES)),
    crypto.base64(crypto.random(32)))
  return compute(password, NOBODY)
end

local function pair_of(password, hash)
  return crypto.hmac_sha256(secret, hash .. "\0" .. password)
end

local function is_known(password, hashes)
  for i = 1, #hashes do
    if known:get(pair_of(password, hashes[i])) then return true end
  end
  return false
end

-- Whether it is that of one of them (nil: too many wait), and whether that took long.
local function is_one_of(password, hashes)
  local took_long = false
  for i = 1, #hashes do
    local is_right = compute(password, hashes[i])
    if is_right then known:put(pair_of(password, hashes[i]), true) end
    if is_right ~= false then return is_right, true end
    took_long = took_long or tonumber(hashes[i]:match "^scrypt:(%d+):" or 0) >= COST
  end
  return false, took_long
end

--- Whether the password is that of one of the hashes; waits the first time. Each wrong one takes as
--- long, whoever's it is: wrong pairs are not kept, or the time would tell which names there are.
---@param password string
---@param hashes string[]?  nil, as there is no such user: false, after as long
---@return boolean? is_right  nil: too many wait to know
function passwords.verify(password, hashes)
  if #password > PASSWORD_BYTES_MAX then return false end
  secret, hashes = secret or crypto.random(32), hashes or {}
  if is_known(password, hashes) then return true end
  local is_right, took_long = is_one_of(password, hashes)
  if is_right == false and not took_long and compute_nobody(password) == nil then return nil end
  return is_right
end

return passwords
