--- mtls-auth: lets a request through only over a connection with a consumer's certificate.
--
-- The listener asks for the certificate and verifies it (`tls = { client = "optional", client_ca =
-- ... }`); here it is looked up whose it is: by `certificates` of consumers, a fingerprint
-- ("sha256:" and 64 hexadecimal digits) or a subject ("CN=mobile,O=Example").

local moongate = require "moongate"

local auth, consumers = moongate.auth, moongate.consumers

---@class MtlsAuth: Plugin
---@field subject boolean
local mtls_auth = {
  summary = "Admits requests over a connection with a consumer's certificate.",
  options = auth.options {
    subject = { type = "boolean", default = true,
      help = "look for the subject, too, where the fingerprint is nobody's" },
  },
}

-- There is no scheme for it: so no 401, which would have to name one.
local MISSING = auth.missing("missing-certificate", "A client certificate is required.", nil)
local UNKNOWN = auth.refused(403, "unknown-certificate", "The client certificate is nobody's.", nil)

mtls_auth.check = auth.fault

---@param req Request
---@return Reply?
function mtls_auth:request(req)
  local tls = req.tls
  if not tls or not tls.verified then return auth.without(self, req, MISSING) end
  local consumer = consumers.by_credential("certificate", "sha256:" .. tls.fingerprint)
  if not consumer and self.subject then
    consumer = consumers.by_credential("certificate", tls.subject)
  end
  if not consumer then return UNKNOWN end
  return auth.admit(self, req, consumer)
end

return mtls_auth
