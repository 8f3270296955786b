--- aws-sigv4-auth_spec: requests signed by AWS's published examples, by curl, and by the other
--- plugin's steps done here with OpenSSL's command.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local process = require "spec.support.process"
local refusal = require "spec.support.refusal"

local SECRET = "a secret of the two of us, long enough"
local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

local function hmac(key_hex, text)
  local code, out = process.run({ "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt",
    "hexkey:" .. key_hex, "-r" }, { input = text })
  assert.equal(0, code)
  return out:match "^%x+"
end

local function sha256(text)
  local code, out = process.run({ "openssl", "dgst", "-sha256", "-r" }, { input = text })
  assert.equal(0, code)
  return out:match "^%x+"
end

local function hex(text)
  return (text:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local keys = {}
local function key_of(secret, scope)
  local name = secret .. scope
  if not keys[name] then
    local key = hex("AWS4" .. secret)
    for part in scope:gmatch "[^/]+" do key = hmac(key, part) end
    keys[name] = key
  end
  return keys[name]
end

local function stamp_of(seconds) return os.date("!%Y%m%dT%H%M%SZ", seconds) end

local DEFAULTS = { __index = { method = "GET", path = "/a", query = "", payload = EMPTY,
  id = "AKIDANNA", secret = SECRET, region = "us-east-1", service = "execute-api" } }

local function put_all(into, from)
  for name, value in pairs(from or {}) do into[name] = value end
  return into
end

local function with_defaults(options)
  options = setmetatable(put_all({}, options), DEFAULTS)
  options.at = options.at or os.time()
  return options
end

-- { method, path, query, headers (of what is signed), payload, at, id, secret, region, service }:
-- the canonical request is made of what is written, so path and query have to be canonical.
local function signature_of(options)
  local names = {}
  for name in pairs(options.headers) do names[#names + 1] = name end
  table.sort(names)
  local lines = { options.method, options.signed_path or options.path, options.query }
  for _, name in ipairs(names) do
    lines[#lines + 1] = name .. ":" .. options.headers[name]
  end
  local signed = table.concat(names, ";")
  lines[#lines + 1] = "\n" .. signed .. "\n" .. options.payload
  local stamp = stamp_of(options.at)
  local scope = ("%s/%s/%s/aws4_request"):format(options.date or stamp:sub(1, 8), options.region,
    options.service)
  local text = ("AWS4-HMAC-SHA256\n%s\n%s\n%s"):format(stamp, scope,
    sha256(table.concat(lines, "\n")))
  return hmac(key_of(options.secret, scope), text), scope, signed
end

-- A signed request; what is in `sent` replaces a part after it was signed.
local function signed(options)
  local given, sent = with_defaults(options), options and options.sent or {}
  local headers = put_all({ host = "api.test", ["x-amz-date"] = stamp_of(given.at) },
    given.headers)
  headers["x-amz-content-sha256"] = rawget(given, "payload")
  given.headers = headers
  local signature, scope, names = signature_of(given)
  headers.authorization = ("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s")
    :format(given.id, scope, names, signature)
  put_all(headers, sent.headers)
  local query = sent.query or given.query
  return { method = sent.method or given.method, headers = headers,
    body = sent.body or given.body,
    path = (sent.path or given.path) .. (query ~= "" and "?" .. query or "") }
end

local function escape(text)
  return (text:gsub("[^%w._~-]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- The same as a URL that is good for `lifetime` seconds.
local function presigned(options)
  local given = with_defaults(options)
  local scope = ("%s/us-east-1/%s/aws4_request"):format(stamp_of(given.at):sub(1, 8),
    given.service)
  given.headers = { host = "api.test" }
  given.query = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s&X-Amz-Date=%s"
    .. "&X-Amz-Expires=%s&X-Amz-SignedHeaders=host"):format(
    escape(given.id .. "/" .. scope), stamp_of(given.at), given.lifetime or "60")
  return { method = given.method, headers = given.headers, body = given.body,
    path = ("%s?%s&X-Amz-Signature=%s%s"):format(given.path, given.query,
      (signature_of(given)), given.more or "") }
end

describe("aws-sigv4-auth", function()
  local origin, moongate

  setup(function()
    origin = peer.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      consumer "anna" { hmac_secrets = { { "%s", id = "AKIDANNA" } } }
      consumer "suite" { hmac_secrets = {
        { "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", id = "AKIDEXAMPLE" },
      } }
      consumer "documentation" { hmac_secrets = {
        { "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", id = "AKIAIOSFODNN7EXAMPLE" },
      } }
      consumer "guest" {}
      local function plain(path, options)
        options[1] = "aws-sigv4-auth"
        route(path) { upstream = "origin", plugins = { options } }
      end
      local function published(host, service)
        route "/{rest*}" { host = host, upstream = "origin", plugins = { { "aws-sigv4-auth",
          service = service, clock_skew = 30 * 365 * 86400 } } }
      end
      plain("/{rest*}", {})
      plain("/s3/{rest*}", { service = "s3" })
      plain("/typed", { signed = { "content-type" } })
      plain("/once", { replay = "deny" })
      plain("/again", { replay = "allow", hide = false })
      plain("/unsigned", { unsigned_payload = true, streaming_payload = true })
      plain("/fields", { presigned = false })
      plain("/short", { expires_max = "30s" })
      plain("/guests", { anonymous = "guest" })
      published("iam.amazonaws.com", "iam")
      published("examplebucket.s3.amazonaws.com", "s3")
      published("example.amazonaws.com", "service")
    ]]):format(origin.url, SECRET) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(options) return http.request(moongate.port, signed(options)) end
  local function follow(options) return http.request(moongate.port, presigned(options)) end

  local function refused(kind, answer)
    assert.equal(401, answer.status, answer.body)
    assert.equal("AWS4-HMAC-SHA256", answer.headers["www-authenticate"])
    assert.equal(kind, answer.body:match 'problem:([%l-]+)"')
  end

  -- https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html, and "Examples:
  -- Signature Calculations" of https://docs.aws.amazon.com/AmazonS3/latest/API/.
  local IAM, S3 = { host = "iam.amazonaws.com", id = "AKIDEXAMPLE", at = "20150830T123600Z",
    scope = "20150830/us-east-1/iam" }, { host = "examplebucket.s3.amazonaws.com",
    id = "AKIAIOSFODNN7EXAMPLE", at = "20130524T000000Z", scope = "20130524/us-east-1/s3" }
  -- AWS's test suite, aws-sig-v4-test-suite.
  local SUITE = { host = "example.amazonaws.com", id = "AKIDEXAMPLE", at = "20150830T123600Z",
    scope = "20150830/us-east-1/service" }

  -- Service, target, further fields, names of what is signed, signature, method, body.
  local PUBLISHED = {
    { IAM, "/?Action=ListUsers&Version=2010-05-08",
      { ["content-type"] = "application/x-www-form-urlencoded; charset=utf-8" },
      "content-type;host;x-amz-date",
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" },
    { S3, "/test.txt", { range = "bytes=0-9", ["x-amz-content-sha256"] = EMPTY },
      "host;range;x-amz-content-sha256;x-amz-date",
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { S3, "/test$file.text", { date = "Fri, 24 May 2013 00:00:00 GMT",
        ["x-amz-storage-class"] = "REDUCED_REDUNDANCY", ["x-amz-content-sha256"] =
          "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
      "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "PUT",
      "Welcome to Amazon S3." },
    { S3, "/?lifecycle", { ["x-amz-content-sha256"] = EMPTY },
      "host;x-amz-content-sha256;x-amz-date",
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { S3, "/?max-keys=2&prefix=J", { ["x-amz-content-sha256"] = EMPTY },
      "host;x-amz-content-sha256;x-amz-date",
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
    { SUITE, "/", {}, "host;x-amz-date",
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { SUITE, "/example/..", {}, "host;x-amz-date",
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { SUITE, "//example//", {}, "host;x-amz-date",
      "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84" },
    { SUITE, "/?Param2=value2&Param1=value1", {}, "host;x-amz-date",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
    { SUITE, "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", {},
      "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
    { SUITE, "/", { ["my-header1"] = " value1", ["my-header2"] = ' "a   b   c"' },
      "host;my-header1;my-header2;x-amz-date",
      "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
    { SUITE, "/", { { "my-header1", "value2" }, { "My-Header1", "value2" },
        { "MY-HEADER1", "value1" } }, "host;my-header1;x-amz-date",
      "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
    { SUITE, "/", {}, "host;x-amz-date",
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", "POST" },
    { SUITE, "/", { ["content-type"] = "application/x-www-form-urlencoded" },
      "content-type;host;x-amz-date",
      "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", "POST",
      "Param1=value1" },
  }

  it("admits the examples that AWS has published, and nothing beside them", function()
    for _, row in ipairs(PUBLISHED) do
      local of, target, fields, names, signature = unpack(row)
      local headers = { { "host", of.host }, { "x-amz-date", of.at }, { "authorization",
        ("AWS4-HMAC-SHA256 Credential=%s/%s/aws4_request,SignedHeaders=%s,Signature=%s"):format(
          of.id, of.scope, names, signature) } }
      for name, value in pairs(fields) do
        headers[#headers + 1] = type(name) == "number" and value or { name, value }
      end
      local request = { method = row[6], path = target, headers = headers, body = row[7] }
      local answer = http.request(moongate.port, request)
      assert.equal(200, answer.status, target .. ": " .. answer.body)
      if request.method then
        refused("replayed-signature", http.request(moongate.port, request))
      end
      headers[3][2] = headers[3][2]:sub(1, -2) .. (signature:sub(-1) == "0" and "1" or "0")
      refused("wrong-signature", http.request(moongate.port, request))
    end
  end)

  it("admits the presigned URL of the documentation", function()
    local answer = http.request(moongate.port, { headers = { host = S3.host },
      path = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE"
        .. "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        .. "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        .. "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" })
    assert.equal(200, answer.status, answer.body)
    local seen = json.decode(answer.body)
    assert.equal("documentation", seen.headers["x-consumer-name"])
    assert.equal("/test.txt", seen.target)
  end)

  -- Another implementation.
  local function curl(arguments, body)
    local command = { "curl", "-sS", "--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user",
      "AKIDANNA:" .. SECRET, "-w", "\n%{http_code}" }
    for _, argument in ipairs(arguments) do command[#command + 1] = argument end
    local code, out, err = process.run(command, { input = body })
    assert.equal(0, code, err)
    return tonumber(out:match "(%d+)$"), out
  end

  it("admits what curl signs", function()
    local url = ("http://127.0.0.1:%d"):format(moongate.port)
    local status, out = curl { url .. "/users/7" }
    assert.equal(200, status, out)
    assert.matches('"x%-consumer%-name":"anna"', out)
    assert.equal(200, (curl { url .. "/users?a=1&b=2" }))
    assert.equal(200, (curl { "-X", "DELETE", url .. "/users/8" }))
    assert.equal(200, (curl({ "--data-binary", "@-", url .. "/users" }, '{"name":"Ada"}')))
    assert.equal(401, (curl { "--user", "AKIDANNA:another", url .. "/users/7" }))
    assert.equal(401, (curl { "--user", "AKIDNOBODY:" .. SECRET, url .. "/users/7" }))
    assert.equal(401, (curl { "--aws-sigv4", "aws:amz:us-east-1:s3", url .. "/users/7" }))
  end)

  it("refuses what has been changed since", function()
    assert.equal(200, ask { query = "a=1&b=2" }.status)
    assert.equal(200, ask { query = "a=1&b=2", sent = { query = "b=2&a=1" } }.status)
    refused("wrong-signature", ask { sent = { method = "PUT" } })
    refused("wrong-signature", ask { sent = { path = "/b" } })
    refused("wrong-signature", ask { query = "a=1", sent = { query = "a=2" } })
    refused("wrong-signature", ask { query = "a=1", sent = { query = "a=1&a=2" } })
    refused("wrong-signature", ask { query = "a=1&a=2", sent = { query = "a=1" } })
    refused("wrong-signature", ask { sent = { headers = { host = "other.test" } } })
    refused("wrong-signature", ask { secret = "another secret" })
    refused("wrong-signature", ask { id = "AKIDNOBODY" })
    refused("wrong-signature", ask { id = "anna" })
    refused("wrong-signature", ask { headers = { ["x-amz-meta"] = "1" },
      sent = { headers = { ["x-amz-meta"] = "2" } } })
    refused("malformed-signature", ask { date = "20200101" })
  end)

  it("takes no path for another one", function()
    -- Escaped once more than it is sent, but for S3.
    assert.equal(200, ask { path = "/a%20b", signed_path = "/a%2520b" }.status)
    refused("wrong-signature", ask { path = "/a%20b" })
    assert.equal(200, ask { path = "/s3/a%20b", service = "s3" }.status)
    assert.equal(200, ask { path = "/s3/a%2Fb", service = "s3" }.status)
    refused("wrong-signature", ask { path = "/s3/a%2Fb", service = "s3",
      sent = { path = "/s3/a/b" } })
    refused("wrong-signature", ask { path = "/s3/a/b", service = "s3",
      sent = { path = "/s3/c/../a/b" } })
    assert.equal(200, ask { path = "/a/b", sent = { path = "/a/c/../b" } }.status)
  end)

  it("goes by region and service", function()
    refused("wrong-scope", ask { region = "eu-west-1" })
    refused("wrong-scope", ask { service = "s3" })
    refused("wrong-scope", ask { path = "/s3/a" })
  end)

  it("wants host and all x-amz- fields signed, and what else it is told", function()
    refused("incomplete-signature", ask { sent = { headers = { ["x-amz-acl"] = "public-read" } } })
    refused("incomplete-signature", ask { sent = { headers = { ["X-Amz-Target"] = "x" } } })
    refused("incomplete-signature", ask { sent = { headers = { ["x_amz_acl"] = "public-read" } } })
    local request = signed()
    request.headers.authorization = request.headers.authorization:gsub("host;", "")
    refused("incomplete-signature", http.request(moongate.port, request))
    refused("incomplete-signature", ask { path = "/typed" })
    assert.equal(200, ask { path = "/typed", headers = { ["content-type"] = "a/b" } }.status)
    refused("malformed-signature", ask { path = "/typed", headers = { ["content-type"] = "a/b" },
      sent = { headers = { authorization = request.headers.authorization:gsub("SignedHeaders=",
        "SignedHeaders=zzz;") } } })
  end)

  it("takes signatures of its time alone", function()
    refused("outdated-signature", ask { at = os.time() - 400 })
    refused("outdated-signature", ask { at = os.time() + 400 })
    assert.equal(200, ask { at = os.time() - 250 }.status)
    assert.equal(200, ask { at = os.time() + 250 }.status)
  end)

  it("verifies the body", function()
    local body = '{"amount":1}'
    local function post(options)
      options.method, options.body = "POST", options.body or body
      return ask(options)
    end
    assert.equal(200, post { payload = sha256(body) }.status)
    refused("wrong-digest", post { payload = sha256(body), at = os.time() - 1,
      sent = { body = '{"amount":9}' } })
    refused("wrong-digest", post { payload = EMPTY })
    refused("wrong-signature", post {}) -- without the field it is digested all the same
    refused("unsigned-payload", post { payload = "UNSIGNED-PAYLOAD" })
    assert.equal(200, ask { payload = "UNSIGNED-PAYLOAD" }.status) -- there is none
    refused("unsigned-payload", post { payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" })
    refused("malformed-signature", post { payload = "STREAMING-OF-ANOTHER-KIND" })
    refused("malformed-signature", post { payload = sha256(body):upper() })
    assert.equal(200, post { path = "/unsigned", payload = "UNSIGNED-PAYLOAD" }.status)
    assert.equal(200, post { path = "/unsigned",
      payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" }.status)
  end)

  it("takes what changes something once, the rest as often as it is to", function()
    local function twice(request)
      assert.equal(200, http.request(moongate.port, request).status)
      return http.request(moongate.port, request)
    end
    assert.equal(200, twice(signed { path = "/twice" }).status)
    refused("replayed-signature", twice(signed { path = "/twice", method = "DELETE" }))
    refused("replayed-signature", twice(signed { path = "/once" }))
    refused("replayed-signature", twice(presigned { path = "/once" }))
    assert.equal(200, twice(signed { path = "/again", method = "PUT" }).status)
    assert.equal(200, twice(presigned { path = "/twice", method = "PUT" }).status)
  end)

  it("follows presigned URLs until they expire", function()
    local answer = follow { path = "/a" }
    assert.equal(200, answer.status, answer.body)
    assert.equal("/a", json.decode(answer.body).target)
    refused("outdated-signature", follow { at = os.time() - 400, lifetime = "60" })
    refused("outdated-signature", follow { at = os.time() + 400 })
    refused("outdated-signature", follow { lifetime = "604801" })
    refused("outdated-signature", follow { path = "/short", lifetime = "31" })
    refused("malformed-signature", follow { path = "/fields" })
    refused("malformed-signature", follow { lifetime = "0" })
    refused("malformed-signature", follow { lifetime = "-1" })
    refused("malformed-signature", follow { lifetime = "99999999" })
    refused("wrong-signature", follow { more = "&admin=1" })
    for _, more in ipairs { "&X-Amz-Expires=604800", "&X-Amz-Signature=00", "&x-amz-date=1",
      "&X-AMZ-CREDENTIAL=x", "&X%2DAmz-Date=x" } do
      refused("malformed-signature", follow { more = more })
    end
    -- Of S3 the body is never part of it, so there must be none.
    assert.equal(200, follow { path = "/s3/a", service = "s3",
      payload = "UNSIGNED-PAYLOAD" }.status)
    refused("unsigned-payload", follow { path = "/s3/a", service = "s3", method = "PUT",
      payload = "UNSIGNED-PAYLOAD", body = "x" })
  end)

  it("refuses what is no signature, or none", function()
    refused("missing-signature", http.request(moongate.port, {}))
    refused("missing-signature",
      http.request(moongate.port, { headers = { authorization = "Basic YTpi" } }))
    local good = signed().headers.authorization
    for _, bad in ipairs {
      "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=a",
      good .. ", Signature=" .. ("0"):rep(64), good:sub(1, -2), good .. "00",
      good:gsub("Signature=", "signature="), good:gsub("aws4_request", "aws4"),
      good:gsub("host;x", "x;host;x"), good:gsub("host;", "host;host;"),
      good:gsub("host;", "Host;"), good:gsub("host;", ";"), good .. ",",
      good:gsub("AKIDANNA", ("A"):rep(200)), (good:gsub("AKIDANNA/", "/")),
    } do
      refused("malformed-signature", ask { sent = { headers = { authorization = bad } } })
    end
    refused("malformed-signature", ask { sent = { headers = { ["x-amz-date"] = "now" } } })
    -- Of another kind, as SigV4A, or none.
    for _, algorithm in ipairs { "AWS4-ECDSA-P256-SHA256", "none", "" } do
      local request = presigned {}
      request.path = request.path:gsub("AWS4%-HMAC%-SHA256", algorithm)
      refused("malformed-signature", http.request(moongate.port, request))
    end
    refused("missing-signature", ask { sent = { headers = {
      authorization = good:gsub("HMAC", "ECDSA-P256", 1) } } })
    -- A field and a URL at once: neither.
    local both = presigned {}
    both.headers.authorization, both.headers["x-amz-date"] = good, stamp_of(os.time())
    refused("malformed-signature", http.request(moongate.port, both))
    local answer = http.exchange(moongate.port, ("GET /a HTTP/1.1\r\nHost: api.test\r\n"
      .. "Authorization: %s\r\nAuthorization: %s\r\nX-Amz-Date: %s\r\nConnection: close\r\n\r\n")
      :format(good, good, stamp_of(os.time())))
    assert.matches("^HTTP/1.1 40[01] ", answer)
  end)

  it("keeps the signature to itself, unless it is told not to", function()
    assert.is_nil(json.decode(ask().body).headers.authorization)
    assert.truthy(json.decode(ask { path = "/again" }.body).headers.authorization)
  end)

  it("lets requests without one go on as somebody where it is to", function()
    assert.equal(200, http.request(moongate.port, { path = "/guests" }).status)
    refused("malformed-signature", http.request(moongate.port,
      { path = "/guests", headers = { authorization = "AWS4-HMAC-SHA256 x" } }))
  end)

  it("is refused with an id that is none, or somebody else's", function()
    assert.matches("hmac_secrets%[1%]: id is 7; expected a text", refusal.of [[
      consumer "anna" { hmac_secrets = { { "secret", id = 7 } } }]])
    assert.matches('consumer "b" has the same HMAC id as consumer "a"', refusal.of [[
      consumer "a" { hmac_secrets = { { "secret", id = "AKID" } } }
      consumer "b" { hmac_secrets = { { "other", id = "AKID" } } }]])
  end)

  it("is refused with options that cannot be", function()
    refusal.of_each {
      ['"aws-sigv4-auth", signed = { "Date" }'] = 'signed has "Date"',
      ['"aws-sigv4-auth", region = "a/b"'] = 'region is "a/b"',
      ['"aws-sigv4-auth", expires_max = "8d"'] = "expires_max",
      ['"aws-sigv4-auth", replay = "never"'] = "replay",
    }
  end)
end)
