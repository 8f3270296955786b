--- aws-sigv4-sign: signs requests to the upstream with AWS Signature Version 4.
--
-- For upstreams of AWS (S3, Lambda, API Gateway and others) and what speaks like them, so that
-- clients need no key of theirs. Host, Content-Type and all x-amz- fields are signed, as they are
-- when this plugin runs: it stands behind whatever changes the request. What the client has signed
-- itself is taken off.

local moongate = require "moongate"
local sigv4 = require "moongate.sigv4"

local crypto, reply = moongate.crypto, moongate.reply

---@class AwsSigv4Sign: Plugin
---@field access_key_id string
---@field secret_access_key string
---@field session_token string?
---@field region string
---@field service string
---@field unsigned_payload boolean
---@field body_limit integer
local aws_sigv4_sign = {
  summary = "Signs requests to the upstream with AWS Signature Version 4.",
  options = {
    access_key_id = { type = "string", required = true, secret = true,
      help = 'id of the access key, as env "AWS_ACCESS_KEY_ID"' },
    secret_access_key = { type = "string", required = true, secret = true,
      help = 'its secret, as file "secrets/aws"' },
    session_token = { type = "string", secret = true,
      help = "of temporary credentials: X-Amz-Security-Token" },
    region = { type = "string", required = true, help = 'of the upstream: "eu-central-1"' },
    service = { type = "string", required = true,
      help = '"s3", "lambda", "execute-api"; of "s3" paths are signed as they are sent' },
    unsigned_payload = { type = "boolean", default = false,
      help = "leave the body unsigned (UNSIGNED-PAYLOAD), so that it streams; where the service "
        .. "takes it" },
    body_limit = { type = "size", default = "10m",
      help = "body, which is held to be digested; a larger one is refused" },
  },
}

local MALFORMED = reply.problem(400, "malformed-target",
  "Path or query have a % that is not followed by two hex digits.")

function aws_sigv4_sign.check(options)
  for _, name in ipairs { "access_key_id", "region", "service" } do
    if not options[name]:find "^[%w_.-]+$" then
      return ("%s is no %s: expected letters, digits and characters of _ . -"):format(name, name)
    end
  end
  if options.secret_access_key == "" then return "secret_access_key is empty" end
  return options.session_token and moongate.headers.fault("x-amz-security-token",
    options.session_token)
end

-- Of clients: not for the upstream, and of another request than the one that it gets.
local QUERY = { "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
  "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256" }

local function prepare(self, req, payload)
  local headers = req.headers
  for _, name in ipairs(QUERY) do
    if req.query[name] then req.query[name] = nil end
  end
  headers.authorization = nil
  headers["x-amz-date"] = sigv4.stamp(moongate.time.now())
  headers["x-amz-content-sha256"] = payload
  headers["x-amz-security-token"] = self.session_token
end

local function signed_fields(req)
  local names, values, seen = {}, {}, {}
  for _, field in ipairs(req.headers:list()) do
    local name = field[1]
    if not seen[name] and (name == "content-type" or name:sub(1, 6) == "x-amz-") then
      seen[name], names[#names + 1] = true, name
    end
  end
  names[#names + 1] = "host"
  table.sort(names)
  for i, name in ipairs(names) do
    values[i] = name == "host" and req.outbound_host or sigv4.field(req.headers, name)
  end
  return names, values
end

local function payload_of(self, req)
  if self.unsigned_payload then return sigv4.UNSIGNED_PAYLOAD end
  local body = req:body(self.body_limit)
  return body == "" and sigv4.EMPTY_PAYLOAD or crypto.hex(crypto.sha256(body))
end

---@param req Request
---@return Reply?
function aws_sigv4_sign:request(req)
  prepare(self, req, payload_of(self, req))
  local path, query = sigv4.path(req.outbound_path, self.service), sigv4.query(req.query_string)
  if not path or not query then return MALFORMED end
  -- "+" and what is escaped needlessly could be read there in another way than was signed.
  if query ~= "" then req.query_string = query end
  local headers = req.headers
  local stamp, names, values = headers["x-amz-date"], signed_fields(req)
  local scope = sigv4.scope(stamp:sub(1, 8), self.region, self.service)
  local signature = sigv4.sign(self.secret_access_key, stamp, scope, sigv4.request {
    method = req.method, path = path, query = query, names = names, values = values,
    payload = headers["x-amz-content-sha256"],
  })
  headers.authorization = ("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s"):format(
    sigv4.ALGORITHM, self.access_key_id, scope, table.concat(names, ";"), signature)
  return nil
end

return aws_sigv4_sign
