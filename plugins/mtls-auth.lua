--- mtls-auth: lets a request through only over a connection with a consumer's certificate.
--
-- The listener asks for the certificate and verifies it, against revocation lists too (`tls = {
-- client = "optional", client_ca = ..., client_crl = ... }`); here it is looked up whose it is: by
-- `certificates` of consumers, each a fingerprint ("sha256:" and 64 hexadecimal digits), a subject
-- ("CN=mobile,O=Example") or a name of subjectAltName ("dns:mobile.example.com",
-- "uri:spiffe://example.com/mobile", "email:mobile@example.com").

local moongate = require "moongate"

local auth, consumers, log = moongate.auth, moongate.consumers, moongate.log

---@class MtlsAuth: Plugin
---@field subject boolean
---@field names string[]
---@field goes_by table<string, true>  kinds of names
local mtls_auth = {
  summary = "Admits requests over a connection with a consumer's certificate.",
  options = auth.options {
    subject = { type = "boolean", default = true,
      help = "look for the subject, too, where the fingerprint is nobody's" },
    names = { type = "list", default = { "dns", "uri", "email" },
      items = { type = "string", values = { "dns", "uri", "email" } },
      help = "kinds of names in subjectAltName to look for where the subject is nobody's" },
  },
}

-- There is no scheme for it: so no 401, which would have to name one.
local MISSING = auth.missing("missing-certificate", "A client certificate is required.", nil)
local INVALID = auth.refused(403, "invalid-certificate", "The client certificate does not do.",
  nil)
local UNKNOWN = auth.refused(403, "unknown-certificate", "The client certificate is nobody's.", nil)

mtls_auth.check = auth.fault

function mtls_auth.new(options)
  local goes_by = {}
  for _, kind in ipairs(options.names) do goes_by[kind] = true end
  return { goes_by = goes_by }
end

local function owner_by_name(self, tls)
  for _, one in ipairs(#self.names > 0 and tls.names or {}) do
    local consumer = self.goes_by[one.kind]
      and consumers.by_credential("certificate", one.kind .. ":" .. one.name)
    if consumer then return consumer end
  end
  return nil
end

local function owner_of(self, tls)
  local consumer = consumers.by_credential("certificate", "sha256:" .. tls.fingerprint)
  if not consumer and self.subject then
    consumer = consumers.by_credential("certificate", tls.subject)
  end
  return consumer or owner_by_name(self, tls)
end

---@param req Request
---@return Reply?
function mtls_auth:request(req)
  local tls = req.tls
  if not tls then return auth.without(self, req, MISSING) end
  if not tls.verified then
    local fault = tls.fault
    if not fault then return auth.without(self, req, MISSING) end
    log.info("the client's certificate is refused: %s", fault)
    return INVALID
  end
  local consumer = owner_of(self, tls)
  if not consumer then return UNKNOWN end
  return auth.admit(self, req, consumer)
end

return mtls_auth
