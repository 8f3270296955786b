--- consumer_fields: what requests to /consumers of the admin listeners may say, as options are
--- checked.

local given = require "moongate.jwt.given"

local fields = {}

local function texts(help)
  return { type = "list", items = { type = "string" }, default = {}, help = help }
end

fields.CONSUMER = {
  name = { type = "string", help = "its name" },
  groups = texts "groups", roles = texts "roles", scopes = texts "scopes",
  plan = { type = "string", help = "name of its plan" },
  tags = { type = "map", items = { type = "string" }, default = {}, help = "texts" },
}
local CREDENTIAL = {
  type = { type = "string", values = { "key", "password", "hmac", "certificate", "jwt" },
    required = true, help = "the kind of credential" },
  expires = { type = "any", help = "a time of RFC 3339, or seconds since the epoch" },
  expires_in = { type = "duration", min = 0.001, help = "from now" },
  key = { type = "string", secret = true, help = "of a key; default: a new one" },
  username = { type = "string", help = "of a password; default: the consumer's name" },
  password = { type = "string", secret = true, help = "the password" },
  hmac_id = { type = "string", help = "of a secret; default: a new one" },
  secret = { type = "string", secret = true,
    help = "of hmac, default: a new one; of jwt with HS256, HS384 or HS512" },
  jwt_id = { type = "string", help = "what iss of its tokens is; default: the consumer's name" },
  kid = given.options.kid, algorithm = given.options.algorithm, pem = given.options.pem,
  jwk = given.options.jwk,
  certificate = { type = "string",
    help = '"sha256:" and a fingerprint, a subject, or "dns:", "uri:", "email:" and a name' },
}
fields.CREDENTIAL = CREDENTIAL

fields.ROTATION = {
  overlap = { type = "duration", default = "1h", help = "for which the old one still counts" },
  key = CREDENTIAL.key, password = CREDENTIAL.password, secret = CREDENTIAL.secret,
  hmac_id = CREDENTIAL.hmac_id, certificate = CREDENTIAL.certificate, kid = CREDENTIAL.kid,
  algorithm = CREDENTIAL.algorithm, pem = CREDENTIAL.pem, jwk = CREDENTIAL.jwk,
}

return fields
