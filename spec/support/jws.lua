--- jws: keys that specs sign tokens with, and tokens of any kind, right and wrong.
--
-- Signed by OpenSSL beside the code under test (spec/runtime/crypto/jws_signer.c).

local ffi = require "ffi"
local json = require "cjson"
local runtime = require "spec.support.runtime"

local C = runtime.include("base/base64.h", "crypto/jws_algorithm.h", "crypto/jws_key.h")
local slice = runtime.slice

-- Survives busted's insulation of files from each other, as declarations do.
local registry = debug.getregistry()
if not registry.moongate_spec_jws then
  registry.moongate_spec_jws = true
  ffi.cdef [[
    struct jws_signer;
    struct jws_signer *jws_signer_create(const char *kind, size_t bits);
    void jws_signer_destroy(struct jws_signer **signer);
    size_t jws_signer_public_pem(const struct jws_signer *signer, char *text, size_t room);
    size_t jws_signer_private_pem(const struct jws_signer *signer, char *text, size_t room);
    size_t jws_signer_number(const struct jws_signer *signer, const char *name, char *bytes,
                             size_t width);
    size_t jws_signer_raw(const struct jws_signer *signer, char *bytes, size_t room);
    size_t jws_signer_sign(const struct jws_signer *signer, struct slice name, struct slice text,
                           char *signature, size_t room);
    size_t jws_signer_code(struct slice name, struct slice secret, struct slice text, char *code);
  ]]
end

local jws = {}

local ROOM = 8192

-- What a function of C wrote into room.
local function written(write, ...)
  local out = ffi.new("char[?]", ROOM)
  local given = { ... }
  given[#given + 1] = out
  given[#given + 1] = ROOM
  local length = tonumber(write(unpack(given)))
  assert(length > 0, "OpenSSL did not write")
  return ffi.string(out, length)
end

---@param bytes string
---@return string
function jws.base64url(bytes)
  local out = ffi.new("char[?]", #bytes * 2 + 4)
  return ffi.string(out, C.base64_encode(slice(bytes), C.BASE64_URL, out))
end

---@param text string
---@return string bytes
function jws.from_base64url(text)
  local out, length = ffi.new("char[?]", #text + 4), ffi.new "size_t[1]"
  assert(C.base64_decode(slice(text), C.BASE64_URL, out, length), "not base64url")
  return ffi.string(out, length[0])
end

---@class Signer
---@field algorithm string   "RS256"
---@field kind string        "RSA", "EC", "OKP" or "oct"
local Signer = {}
Signer.__index = Signer

local EC = { ES256 = { "P-256", 32 }, ES384 = { "P-384", 48 }, ES512 = { "P-521", 66 } }

local function keep(kind, bits)
  local box = ffi.new("struct jws_signer *[1]")
  box[0] = C.jws_signer_create(kind, bits)
  return ffi.gc(box, C.jws_signer_destroy)
end

--- A new key for that algorithm.
---@param algorithm string
---@param options { bits: integer?, curve: string?, secret: string? }?
---@return Signer
function jws.signer(algorithm, options)
  options = options or {}
  local self = setmetatable({ algorithm = algorithm }, Signer)
  if algorithm:find "^HS" then
    self.kind, self.secret = "oct", options.secret or ("s3cr3t--"):rep(8)
  elseif EC[algorithm] then
    self.kind, self.curve, self.width = "EC", EC[algorithm][1], EC[algorithm][2]
    self.box = keep(self.curve, 0)
  elseif algorithm == "EdDSA" then
    self.kind, self.curve = "OKP", options.curve or "Ed25519"
    self.box = keep(self.curve:upper(), 0)
  else
    self.kind, self.box = "RSA", keep("RSA", options.bits or 2048)
  end
  return self
end

function Signer:pem() return written(C.jws_signer_public_pem, self.box[0]) end

function Signer:private_pem() return written(C.jws_signer_private_pem, self.box[0]) end

local function number(self, name, width)
  local out = ffi.new("char[?]", ROOM)
  return ffi.string(out, C.jws_signer_number(self.box[0], name, out, width or 0))
end

--- Its numbers, as bytes: { n, e }, { x, y } or { x }.
---@return table<string, string>
function Signer:numbers()
  if self.kind == "RSA" then return { n = number(self, "n"), e = number(self, "e") } end
  if self.kind == "EC" then
    return { x = number(self, "qx", self.width), y = number(self, "qy", self.width) }
  end
  return { x = written(C.jws_signer_raw, self.box[0]) }
end

--- The public key (of "oct" the secret) as a JSON Web Key.
---@param more table?  further members
---@return table
function Signer:jwk(more)
  local key = { kty = self.kind, crv = self.curve }
  if self.kind == "oct" then
    key.k = jws.base64url(self.secret)
  else
    for name, bytes in pairs(self:numbers()) do key[name] = jws.base64url(bytes) end
  end
  for name, value in pairs(more or {}) do key[name] = value end
  return key
end

--- The bytes of a signature.
---@param text string
---@param algorithm string?  default: its own
---@return string
function Signer:sign(text, algorithm)
  local name = slice(algorithm or self.algorithm)
  if self.secret then
    local out = ffi.new "char[64]"
    return ffi.string(out, C.jws_signer_code(name, slice(self.secret), slice(text), out))
  end
  return written(C.jws_signer_sign, self.box[0], name, slice(text))
end

--- HEADER.PAYLOAD of these, each a table or a text as it is.
---@param header table|string
---@param claims table|string
---@return string
function jws.input(header, claims)
  local function part(value)
    return jws.base64url(type(value) == "table" and json.encode(value) or value)
  end
  return part(header) .. "." .. part(claims)
end

--- A signed token. The header says "alg" as the signer's unless it has one.
---@param claims table|string
---@param header table?
---@return string
function Signer:token(claims, header)
  local full = { alg = self.algorithm, typ = "JWT" }
  for name, value in pairs(header or {}) do full[name] = value end
  local input = jws.input(full, claims)
  return input .. "." .. jws.base64url(self:sign(input))
end

return jws
