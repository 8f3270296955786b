--- sigv4: AWS Signature Version 4: the text of a request that is signed, and its signature.
--
--     local canonical = sigv4.request {
--       method = "GET", path = sigv4.path("/a b", "execute-api"), query = sigv4.query "b=2&a=1",
--       names = { "host", "x-amz-date" }, values = { "api.example.com", "20150830T123600Z" },
--       payload = sigv4.EMPTY_PAYLOAD,
--     }
--     local scope = sigv4.scope("20150830", "us-east-1", "execute-api")
--     local signature = sigv4.sign(secret, "20150830T123600Z", scope, canonical)
--
-- By https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.

local crypto = require "moongate.crypto"
local kept = require "moongate.kept"
local time = require "moongate.time"
local uri = require "moongate.uri"

---@class moongate.sigv4
---@field ALGORITHM string
---@field UNSIGNED_PAYLOAD string  in place of the digest of a body that is not signed
---@field EMPTY_PAYLOAD string     the digest of no body
local sigv4 = {
  ALGORITHM = "AWS4-HMAC-SHA256",
  UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD",
  EMPTY_PAYLOAD = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}

-- Of S3 the names of objects are paths as they are.
local function object_path(path)
  local segments = {}
  for segment in (path:sub(2) .. "/"):gmatch "([^/]*)/" do
    local plain = uri.decode(segment)
    if not plain then return nil end
    segments[#segments + 1] = uri.encode(plain)
  end
  return "/" .. table.concat(segments, "/")
end

local DOTS = { [""] = true, ["."] = true, [".."] = true }

--- The path as it is signed: dot segments and repeated slashes are gone and what is left is escaped
--- once more; for the service "s3" it is escaped once, and nothing is gone.
---@param path string     as it is sent, from "/" on
---@param service string
---@return string? canonical  nil: a % is not followed by two hex digits
function sigv4.path(path, service)
  if service == "s3" then return object_path(path) end
  local segments, last = {}, ""
  for segment in (path:sub(2) .. "/"):gmatch "([^/]*)/" do
    if segment == ".." then
      segments[#segments] = nil
    elseif not DOTS[segment] then
      segments[#segments + 1] = uri.encode(segment)
    end
    last = segment
  end
  return "/" .. table.concat(segments, "/") .. (DOTS[last] and #segments > 0 and "/" or "")
end

local function by_name(one, other)
  if one[1] ~= other[1] then return one[1] < other[1] end
  return one[2] < other[2]
end

--- The query as it is signed: sorted, everything escaped that can be, and nothing else.
---@param text string?   as it is sent, without "?"
---@param but string?    name of what is not signed: the signature itself
---@return string? canonical  nil: a % is not followed by two hex digits
function sigv4.query(text, but)
  local pairs_of_query = uri.parse_query(text or "")
  if not pairs_of_query then return nil end
  local list = {}
  for _, pair in ipairs(pairs_of_query) do
    if pair[1] ~= but then list[#list + 1] = { uri.encode(pair[1]), uri.encode(pair[2]) } end
  end
  table.sort(list, by_name)
  for i = 1, #list do list[i] = list[i][1] .. "=" .. list[i][2] end
  return table.concat(list, "&")
end

--- The value of a field as it is signed; nil when there is none.
---@param headers Headers
---@param name string
---@return string?
function sigv4.field(headers, name)
  local values = headers:all(name)
  if #values == 0 then return nil end
  for i, value in ipairs(values) do
    values[i] = value:gsub("%s+", " "):match "^ ?(.-) ?$"
  end
  return table.concat(values, ",")
end

---@class SigV4Request
---@field method string
---@field path string      of sigv4.path
---@field query string     of sigv4.query
---@field names string[]   of the fields that are signed: lower case, sorted
---@field values string[]  of theirs, in the same order
---@field payload string   the SHA-256 of the body in hex, or what stands in its place

--- The text of a request that is signed.
---@param parts SigV4Request
---@return string
function sigv4.request(parts)
  local lines = { parts.method, parts.path, parts.query }
  for i, name in ipairs(parts.names) do lines[#lines + 1] = name .. ":" .. parts.values[i] end
  lines[#lines + 1] = ""
  lines[#lines + 1] = table.concat(parts.names, ";")
  lines[#lines + 1] = parts.payload
  return table.concat(lines, "\n")
end

--- What a signature is good for.
---@param date string     "20150830"
---@param region string
---@param service string
---@return string
function sigv4.scope(date, region, service)
  return ("%s/%s/%s/aws4_request"):format(date, region, service)
end

-- Keys of a day, which take four HMACs, by scope and secret.
local KEYS_MAX = 256
local keys = kept(KEYS_MAX)

local function key_of(secret, scope)
  local name = scope .. "\0" .. secret
  local key = keys:get(name)
  if key then return key end
  key = "AWS4" .. secret
  for part in scope:gmatch "[^/]+" do key = crypto.hmac_sha256(key, part) end
  keys:put(name, key)
  return key
end

--- The signature of a request.
---@param secret string
---@param stamp string      "20150830T123600Z"
---@param scope string      of sigv4.scope; its region and service are the gateway's own
---@param canonical string  of sigv4.request
---@return string signature  64 digits in lower case
function sigv4.sign(secret, stamp, scope, canonical)
  local text = ("%s\n%s\n%s\n%s"):format(sigv4.ALGORITHM, stamp, scope,
    crypto.hex(crypto.sha256(canonical)))
  return crypto.hex(crypto.hmac_sha256(key_of(secret, scope), text))
end

local stamp_second, stamp = 0, nil

--- A time as X-Amz-Date has it: "20150830T123600Z".
---@param seconds number
---@return string
function sigv4.stamp(seconds)
  seconds = math.floor(seconds)
  if stamp_second ~= seconds then
    stamp_second, stamp = seconds, time.iso(seconds):gsub("[-:]", "")
  end
  return stamp
end

--- The time of a stamp.
---@param text string
---@return number? seconds  nil: it is none
function sigv4.time(text)
  local year, month, day, hour, minute, second =
    text:match "^(%d%d%d%d)(%d%d)(%d%d)T(%d%d)(%d%d)(%d%d)Z$"
  if not year then return nil end
  return (time.parse_iso(("%s-%s-%sT%s:%s:%sZ"):format(year, month, day, hour, minute, second)))
end

return sigv4
