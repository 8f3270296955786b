--- oidc_provider: a real OpenID provider (npm: oidc-provider) for a spec.
--
-- nil where ./dev could not install it: what needs it is skipped then.

local http = require "spec.support.http"
local json = require "cjson"
local ports = require "spec.support.ports"
local process = require "spec.support.process"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local FOLDER = "build/npm/node_modules"

---@class OidcProvider
---@field port integer
---@field url string  also the issuer
---@field process Process
local Provider = {}
Provider.__index = Provider

local oidc_provider = {}

--- What its JWTs are for.
oidc_provider.AUDIENCE = "https://api.example"

---@return boolean
function oidc_provider.is_there()
  return system.read_file(FOLDER .. "/oidc-provider/package.json") ~= nil
end

--- The secret of its clients "gateway" and "gateway-post".
oidc_provider.GATEWAY_SECRET = "g:a/t e+w&a=y%"

--- Its port is its own while it is away, too: what the kernel chooses becomes that of somebody
--- else's connection.
---@param port integer?  default: a free one
---@return OidcProvider
function oidc_provider.start(port)
  local self = setmetatable({ directory = system.temporary_directory() }, Provider)
  self.process = process.spawn({ "node", "spec/support/oidc_provider.mjs",
    system.absolute(FOLDER), tostring(port or ports.free()) },
    { stdout = self.directory .. "/out", stderr = self.directory .. "/err" })
  self.port = tonumber(wait.that(function()
    if not self.process:is_running() then
      error("it ended:\n" .. (system.read_file(self.directory .. "/err") or ""))
    end
    return (system.read_file(self.directory .. "/out") or ""):match "listening on (%d+)"
  end, 60, "the provider to listen"))
  self.url = "http://127.0.0.1:" .. self.port
  return self
end

local function post(self, path, form)
  return http.request(self.port, { method = "POST", path = path, headers = {
    authorization = "Basic bW9iaWxlOm1vYmlsZS1zZWNyZXQ=", -- mobile:mobile-secret
    ["content-type"] = "application/x-www-form-urlencoded",
  }, body = form })
end

--- A token for the client "mobile".
---@param scope string
---@param audience string?  of a JWT; without it the token is opaque
---@return string
function Provider:token(scope, audience)
  local resource = audience and "&resource=" .. audience or ""
  local answer = post(self, "/token",
    ("grant_type=client_credentials&scope=%s%s"):format(scope, resource))
  assert(answer.status == 200, answer.body)
  return json.decode(answer.body).access_token
end

--- Revokes an opaque token (RFC 7009).
---@param token string
function Provider:revoke(token)
  assert(post(self, "/token/revocation", "token=" .. token).status == 200)
end

--- Begins anew with other keys, and signs by that algorithm.
---@param algorithm "RS256"|"ES256"
function Provider:rotate(algorithm)
  assert(http.request(self.port, { path = "/rotate/" .. algorithm }).status == 200)
end

--- Nothing is answered any more, though connections are taken.
function Provider:freeze() self.process:signal(system.SIGSTOP) end

function Provider:thaw() self.process:signal(system.SIGCONT) end

function Provider:stop()
  if self.is_stopped then return end
  self.is_stopped = true
  self.process:kill()
  process.remove(self.directory)
end

return oidc_provider
