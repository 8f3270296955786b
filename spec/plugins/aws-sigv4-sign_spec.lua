--- aws-sigv4-sign_spec: what it signs is verified by the other plugin, which AWS's examples verify.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local refusal = require "spec.support.refusal"

local SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

describe("aws-sigv4-sign", function()
  local origin, verifier, moongate

  setup(function()
    origin = peer.start()
    verifier = gateway.start { config = ([[
      listen "127.0.0.1:0"
      consumer "gateway" { hmac_secrets = { { "%s", id = "AKIDEXAMPLE" } } }
      local function plain(path, service)
        route(path) { upstream = "%s", plugins = { { "aws-sigv4-auth", hide = false,
          service = service, region = "eu-central-1", unsigned_payload = true,
          replay = "allow" } } }
      end
      plain("/bucket/{rest*}", "s3")
      plain("/{rest*}", "lambda")
    ]]):format(SECRET, origin.url) }
    moongate = gateway.start { env = { AWS_SECRET_ACCESS_KEY = SECRET }, config = ([[
      listen "127.0.0.1:0"
      upstream "aws" { "http://127.0.0.1:%d" }
      local function sign(options)
        options[1], options.region = "aws-sigv4-sign", "eu-central-1"
        options.access_key_id = "AKIDEXAMPLE"
        options.secret_access_key = options.secret_access_key or env "AWS_SECRET_ACCESS_KEY"
        options.service = options.service or "lambda"
        return options
      end
      local function plain(path, options)
        route(path) { upstream = "aws", plugins = { sign(options) } }
      end
      plain("/{rest*}", {})
      plain("/bucket/{rest*}", { service = "s3" })
      plain("/streamed", { unsigned_payload = true })
      plain("/small", { body_limit = 8 })
      plain("/temporary", { session_token = "a/token+of==some" })
      plain("/wrong", { secret_access_key = "another" })
      route "/invoke/{name}" { upstream = "aws",
        upstream_host = "lambda.eu-central-1.amazonaws.com",
        rewrite = "/2015-03-31/functions/{name}/invocations", plugins = { sign {} } }
      route "/changed" { upstream = "aws", plugins = {
        { "transform", set_headers = { ["x-amz-invocation-type"] = "Event" } }, sign {} } }
    ]]):format(verifier.port) }
  end)

  teardown(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  local function ask(path, options)
    options = options or {}
    options.path = path
    return http.request(moongate.port, options)
  end

  local function seen(path, options)
    local answer = ask(path, options)
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  it("signs as is verified, and says what", function()
    local headers = seen("/a").headers
    assert.equal("gateway", headers["x-consumer-name"])
    assert.equal(EMPTY, headers["x-amz-content-sha256"])
    assert.matches("^%d%d%d%d%d%d%d%dT%d%d%d%d%d%dZ$", headers["x-amz-date"])
    assert.matches("^AWS4%-HMAC%-SHA256 Credential=AKIDEXAMPLE/%d+/eu%-central%-1/lambda/"
      .. "aws4_request, SignedHeaders=host;x%-amz%-content%-sha256;x%-amz%-date, "
      .. "Signature=%x+$", headers.authorization)
    assert.equal(401, ask("/wrong").status)
  end)

  it("signs bodies, or leaves them unsigned", function()
    local request = { method = "POST", body = '{"name":"Ada"}',
      headers = { ["content-type"] = "application/json" } }
    local got = seen("/a", request)
    assert.equal('{"name":"Ada"}', got.body)
    assert.matches("SignedHeaders=content%-type;host;", got.headers.authorization)
    assert.equal("UNSIGNED-PAYLOAD", seen("/streamed", request).headers["x-amz-content-sha256"])
    assert.equal(413, ask("/small", request).status)
  end)

  it("signs the path and the host that go upstream", function()
    local got = seen "/invoke/ping%3A1"
    assert.equal("/2015-03-31/functions/ping%3A1/invocations", got.target)
    assert.equal("lambda.eu-central-1.amazonaws.com", got.headers.host)
    assert.equal("/a%20b/c", seen("/a%20b/c").target)
    assert.equal("/bucket/a%20b%2Fc:d", seen("/bucket/a%20b%2Fc:d").target)
  end)

  it("sends the query as it has signed it", function()
    assert.equal("/a?a=&b=1%202&b=3%2A", seen("/a?b=1+2&b=3*&a").target)
    assert.equal("/a", seen("/a?").target:sub(1, 2))
  end)

  it("signs temporary credentials, and fields of other plugins", function()
    local headers = seen("/temporary").headers
    assert.equal("a/token+of==some", headers["x-amz-security-token"])
    assert.matches("x%-amz%-security%-token", headers.authorization)
    assert.matches(";x%-amz%-invocation%-type,", seen("/changed").headers.authorization)
  end)

  it("takes off what the client has signed itself", function()
    local got = seen("/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00&page=2", { headers = {
      authorization = "Bearer x", ["x-amz-date"] = "20200101T000000Z",
      ["x-amz-security-token"] = "theirs", ["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD" } })
    assert.equal("/a?page=2", got.target)
    assert.is_nil(got.headers["x-amz-security-token"])
    assert.equal(EMPTY, got.headers["x-amz-content-sha256"])
    assert.matches("^AWS4", got.headers.authorization)
  end)

  it("is refused with options that cannot be", function()
    local most = 'secret_access_key = "s", service = "s3", region = '
    refusal.of_each {
      ['"aws-sigv4-sign", access_key_id = "a", ' .. most .. '"eu/1"'] = "region is no region",
      ['"aws-sigv4-sign", access_key_id = "a b", ' .. most .. '"eu"'] = "access_key_id is no",
      ['"aws-sigv4-sign", ' .. most .. '"eu"'] = "access_key_id is missing",
      ['"aws-sigv4-sign", access_key_id = "a", session_token = "\\n", ' .. most .. '"eu"'] =
        "x-amz-security-token",
    }
  end)
end)
