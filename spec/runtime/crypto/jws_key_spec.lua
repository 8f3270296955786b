--- jws_key_spec: signatures of all algorithms, and all that is not one.

local ffi = require "ffi"
local json = require "cjson"
local jws = require "spec.support.jws"
local runtime = require "spec.support.runtime"
local system = require "spec.support.system"

local C = runtime.include("crypto/jws_algorithm.h", "crypto/jws_key.h")
local slice, text = runtime.slice, runtime.text

local SUITES = os.getenv "MOONGATE_SUITES" or "../shared/suites"
local INPUT = "eyJhbGciOiJ4In0.e30"
local ALGORITHMS = { "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384",
  "PS512", "ES256", "ES384", "ES512", "EdDSA" }

local why = ffi.new "const char *[1]"

local function algorithm(name)
  local found = C.jws_algorithm_of(slice(name))
  assert(found ~= nil, name)
  return found
end

-- The key, or nil and what is wrong with it.
local function keep(key)
  if key == nil then return nil, ffi.string(why[0]) end
  return ffi.gc(runtime.box("struct jws_key *", key), C.jws_key_destroy)
end

local function of_pem(name, pem) return keep(C.jws_key_of_pem(algorithm(name), slice(pem), why)) end

local function of_secret(name, secret)
  return keep(C.jws_key_of_secret(algorithm(name), slice(secret), why))
end

-- Of a JSON Web Key's members, as bytes.
local function of_numbers(name, kind, numbers, curve)
  local which = algorithm(name)
  if kind == "RSA" then
    return keep(C.jws_key_of_rsa(which, slice(numbers.n), slice(numbers.e), why))
  elseif kind == "EC" then
    return keep(C.jws_key_of_point(which, slice(numbers.x), slice(numbers.y), why))
  elseif kind == "OKP" then
    return keep(C.jws_key_of_edwards(which, slice(curve), slice(numbers.x), why))
  end
  return of_secret(name, numbers.k)
end

local function verifies(key, signed, signature)
  return C.jws_key_verifies(key[0], slice(signed), slice(signature))
end

-- Made once: RSA keys take their time.
local signers = {}

local function signer_of(name)
  local kind = name:find "^[RP]S" and "RSA" or name
  signers[kind] = signers[kind] or jws.signer(name == "PS256" and "RS256" or name)
  return signers[kind]
end

local function key_of(name)
  local signer = signer_of(name)
  if signer.secret then return of_secret(name, signer.secret), signer end
  return of_pem(name, signer:pem()), signer
end

describe("jws_algorithm", function()
  it("knows its names as they are written, and no other", function()
    for _, name in ipairs(ALGORITHMS) do assert.equal(name, text(algorithm(name).name)) end
    for _, name in ipairs { "none", "None", "NONE", "", "hs256", "HS256 ", "HS25", "ES256K",
      "RS1" } do
      assert.is_true(C.jws_algorithm_of(slice(name)) == nil, name)
    end
  end)
end)

describe("a key", function()
  for _, name in ipairs(ALGORITHMS) do
    it("verifies what was signed with its own by " .. name .. ", and nothing near it", function()
      local key, signer = key_of(name)
      local signature = signer:sign(INPUT, name)
      assert.is_true(verifies(key, INPUT, signature))
      assert.is_true(verifies(key, INPUT, signature), "a second time")
      assert.is_false(verifies(key, INPUT .. "x", signature))
      assert.is_false(verifies(key, "", signature))
      assert.is_false(verifies(key, INPUT, ""))
      assert.is_false(verifies(key, INPUT, signature:sub(1, -2)))
      assert.is_false(verifies(key, INPUT, signature .. "\0"))
      assert.is_false(verifies(key, INPUT, ("\0"):rep(#signature)))
      for at = 1, #signature, math.max(1, math.floor(#signature / 16)) do
        local flipped = signature:sub(1, at - 1)
          .. string.char(255 - signature:byte(at)) .. signature:sub(at + 1)
        assert.is_false(verifies(key, INPUT, flipped))
      end
      assert.is_true(verifies(key, INPUT, signature), "still")
    end)

    it("of " .. name .. " verifies no other algorithm", function()
      local key = key_of(name)
      for _, other in ipairs(ALGORITHMS) do
        local _, signer = key_of(other)
        if other ~= name then
          assert.is_false(verifies(key, INPUT, signer:sign(INPUT, other)), other)
        end
      end
    end)
  end

  it("is the same by its numbers and by its PEM", function()
    for _, name in ipairs { "RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA" } do
      local signer = signer_of(name)
      local key = assert(of_numbers(name, signer.kind, signer:numbers(), signer.curve))
      assert.is_true(verifies(key, INPUT, signer:sign(INPUT, name)), name)
    end
  end)

  it("may be on Ed448, too", function()
    local signer = jws.signer("EdDSA", { curve = "Ed448" })
    local key = assert(of_numbers("EdDSA", "OKP", signer:numbers(), "Ed448"))
    assert.is_true(verifies(key, INPUT, signer:sign(INPUT)))
    assert.is_nil((of_numbers("EdDSA", "OKP", signer:numbers(), "Ed25519")))
  end)

  it("of ECDSA takes no r or s that is zero, or as large as the order", function()
    for name, width in pairs { ES256 = 32, ES384 = 48, ES512 = 66 } do
      local key, signer = key_of(name)
      local signature = signer:sign(INPUT, name)
      local zero, high = ("\0"):rep(width), ("\255"):rep(width)
      local r, s = signature:sub(1, width), signature:sub(width + 1)
      for _, bad in ipairs { zero .. zero, r .. zero, zero .. s, high .. s, r .. high,
        zero .. ("\0"):rep(width - 1) .. "\1" } do
        assert.is_false(verifies(key, INPUT, bad), name)
      end
    end
  end)

  it("of ECDSA takes no DER, which other protocols have", function()
    local key, signer = key_of "ES256"
    local signature = signer:sign(INPUT)
    local function integer(bytes)
      if bytes:byte() > 127 then bytes = "\0" .. bytes end
      return "\2" .. string.char(#bytes) .. bytes
    end
    local pair = integer(signature:sub(1, 32)) .. integer(signature:sub(33))
    assert.is_false(verifies(key, INPUT, "\48" .. string.char(#pair) .. pair))
  end)

  it("goes with the algorithms of its own kind alone", function()
    local rsa, ec, ed = signer_of "RS256", signer_of "ES256", signer_of "EdDSA"
    for _, case in ipairs {
      { rsa, "HS256", "a public key is no secret" }, { ec, "HS256", "a public key is no secret" },
      { rsa, "ES256", "on its own curve" }, { rsa, "EdDSA", "Ed25519 or Ed448" },
      { ec, "RS256", "RSA key alone" }, { ec, "PS256", "RSA key alone" },
      { ec, "ES384", "on its own curve" }, { ed, "ES256", "on its own curve" },
    } do
      local key, wrong = of_pem(case[2], case[1]:pem())
      assert.is_nil(key)
      assert.matches(case[3], wrong, 1, true)
    end
    local key, wrong = of_secret("RS256", ("x"):rep(64))
    assert.is_nil(key)
    assert.matches("a secret goes with HS256", wrong, 1, true)
  end)

  it("is refused when it is weak", function()
    local _, wrong = of_pem("RS256", jws.signer("RS256", { bits = 2040 }):pem())
    assert.matches("less than 2048 bits", wrong, 1, true)
    for name, bytes in pairs { HS256 = 32, HS384 = 48, HS512 = 64 } do
      assert.is_truthy((of_secret(name, ("x"):rep(bytes))))
      local key, short = of_secret(name, ("x"):rep(bytes - 1))
      assert.is_nil(key)
      assert.matches("shorter than the digest", short, 1, true)
    end
    assert.is_nil((of_secret("HS256", ("x"):rep(4097))))
  end)

  it("is refused when its numbers are none of a key", function()
    local ec, rsa = signer_of "ES256":numbers(), signer_of "RS256":numbers()
    local zero = ("\0"):rep(32)
    for _, case in ipairs {
      { "ES256", "EC", { x = ec.y, y = ec.x } }, { "ES256", "EC", { x = zero, y = zero } },
      { "ES256", "EC", { x = ec.x .. "\0", y = ec.y } }, { "ES256", "EC", { x = "", y = "" } },
      { "ES384", "EC", ec }, { "RS256", "EC", ec }, { "HS256", "EC", ec },
      { "RS256", "RSA", { n = rsa.n, e = "\1" } }, { "RS256", "RSA", { n = rsa.n, e = "\2" } },
      { "RS256", "RSA", { n = rsa.n, e = "" } }, { "RS256", "RSA", { n = "", e = rsa.e } },
      { "RS256", "RSA", { n = ("\255"):rep(1025), e = rsa.e } },
      { "RS256", "RSA", { n = rsa.n, e = ("\255"):rep(9) } },
      { "EdDSA", "OKP", { x = ("x"):rep(31) } }, { "EdDSA", "OKP", { x = "" } },
    } do
      local key, wrong = of_numbers(case[1], case[2], case[3], "Ed25519")
      assert.is_nil(key)
      assert.is_true(#wrong > 0)
    end
  end)

  it("is refused when its text is no public key", function()
    for _, pem in ipairs { "", "x", signer_of "RS256":private_pem(),
      "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ("x"):rep(70000) } do
      local key, wrong = of_pem("RS256", pem)
      assert.is_nil(key)
      assert.matches("neither a public key nor a certificate", wrong, 1, true)
    end
  end)

  it("in PEM says what it is for", function()
    local function algorithm_of(pem)
      local found = C.jws_key_pem_algorithm(slice(pem), why)
      return found ~= nil and text(found.name) or ffi.string(why[0])
    end
    for _, name in ipairs { "RS256", "ES256", "ES384", "ES512", "EdDSA" } do
      assert.equal(name, algorithm_of(signer_of(name):pem()))
    end
    assert.matches("less than 2048", algorithm_of(jws.signer("RS256", { bits = 1024 }):pem()))
    assert.matches("neither", algorithm_of "x")
  end)
end)

describe("a token", function()
  it("is verified with its dots where they belong", function()
    local key, signer = key_of "ES256"
    local token = INPUT .. "." .. jws.base64url(signer:sign(INPUT))
    local function is_right(other) return C.jws_key_verifies_token(key[0], slice(other)) end
    assert.is_true(is_right(token))
    for _, other in ipairs { "", ".", "..", "...", INPUT, INPUT .. ".", token .. "=", token .. ".",
      token .. "." .. token, token:sub(1, -2), token .. "A", token .. " ", " " .. token,
      (token:gsub("%.", "", 1)), token .. ("A"):rep(4000), token:gsub("[-_]", "+") .. "+" } do
      assert.is_false(is_right(other), other)
    end
  end)

  it("has one spelling: stray bits at its end are no part of a signature", function()
    local key, signer = key_of "ES256"
    local token = INPUT .. "." .. jws.base64url(signer:sign(INPUT))
    local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    local right = 0
    for digit in digits:gmatch "." do
      local other = token:sub(1, -2) .. digit
      if C.jws_key_verifies_token(key[0], slice(other)) then right = right + 1 end
    end
    assert.equal(1, right)
  end)
end)

-- Signatures with what RFC 7520 was made with.
describe("the examples of RFC 7520", function()
  local function read(name)
    local content = system.read_file(SUITES .. "/jose/jws/" .. name .. ".json")
    return content and json.decode(content)
  end

  local function key_of_jwk(name, jwk)
    local numbers = {}
    for _, member in ipairs { "n", "e", "x", "y", "k" } do
      numbers[member] = jwk[member] and jws.from_base64url(jwk[member])
    end
    return of_numbers(name, jwk.kty, numbers, jwk.crv)
  end

  for _, name in ipairs { "4_1.rsa_v15_signature", "4_2.rsa-pss_signature",
    "4_3.ecdsa_signature", "4_4.hmac-sha2_integrity_protection" } do
    it("verify: " .. name, function()
      local example = read(name)
      if not example then return pending "the suites are not here" end
      local key = assert(key_of_jwk(example.input.alg, example.input.key))
      assert.is_true(C.jws_key_verifies_token(key[0], slice(example.output.compact)))
      assert.is_false(C.jws_key_verifies_token(key[0], slice(example.output.compact:sub(2))))
    end)
  end

  it("verify: 4_8.multiple_signatures", function()
    local example = read "4_8.multiple_signatures"
    if not example then return pending "the suites are not here" end
    for i, signature in ipairs(example.output.json.signatures) do
      local name = example.input.alg[i]
      local key = assert(key_of_jwk(name, example.input.key[i]))
      local token = ("%s.%s.%s"):format(signature.protected or "", example.output.json.payload,
        signature.signature)
      assert.is_true(C.jws_key_verifies_token(key[0], slice(token)), name)
    end
  end)
end)
