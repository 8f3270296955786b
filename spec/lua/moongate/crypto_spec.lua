local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local probe = require "spec.support.probe"
local process = require "spec.support.process"

describe("crypto", function()
  local moongate

  local function ask(path, body)
    return http.request(moongate.port, { method = "POST", path = path, body = body or "" }).body
  end

  setup(function()
    moongate = gateway.start { files = probe.files, config = probe.says .. [==[
      says("/sha256", function(req, m) return m.crypto.hex(m.crypto.sha256(req:body())) end)
      says("/hmac/{key}", function(req, m)
        local key = m.crypto.from_hex(req.params.key)
        return m.crypto.hex(m.crypto.hmac_sha256(key, req:body()))
      end)
      says("/hmac", function(req, m) return m.crypto.hex(m.crypto.hmac_sha256("", "")) end)
      says("/hkdf/{secret}/{count}", function(req, m)
        local c = m.crypto
        return c.hex(c.hkdf_sha256(c.from_hex(req.params.secret), c.from_hex(req.query.salt),
          c.from_hex(req.query.info), tonumber(req.params.count)))
      end)
      local KEY, NONCE = ("k"):rep(32), ("n"):rep(12) .. ("o"):rep(12)
      says("/seal", function(req, m)
        return m.crypto.hex(m.crypto.seal(KEY, NONCE, req:body(), "bound"))
      end)
      says("/open", function(req, m)
        local c, text = m.crypto, ("a text "):rep(1000)
        local sealed = c.seal(KEY, NONCE, text, "bound")
        assert(#sealed == #text + 16 and not sealed:find("a text", 1, true))
        assert(c.open(KEY, NONCE, sealed, "bound") == text)
        assert(c.open(KEY, NONCE, c.seal(KEY, NONCE, "", ""), "") == "")
        for at = 1, #sealed, 97 do
          local other = string.char((sealed:byte(at) + 1) % 256)
          assert(not c.open(KEY, NONCE, sealed:sub(1, at - 1) .. other .. sealed:sub(at + 1),
            "bound"))
          assert(not c.open(KEY, NONCE, sealed:sub(1, at), "bound"))
        end
        assert(not c.open(KEY, NONCE, sealed, "bound "))
        assert(not c.open(("K"):rep(32), NONCE, sealed, "bound"))
        for at = 1, 24 do -- all of the nonce counts
          local nonce = NONCE:sub(1, at - 1) .. "x" .. NONCE:sub(at + 1)
          assert(not c.open(KEY, nonce, sealed, "bound"))
          assert(c.seal(KEY, nonce, text, "bound") ~= sealed)
        end
        assert(not pcall(c.seal, "short", NONCE, text, "") and not pcall(c.open, KEY, "", text, ""))
        return "opened"
      end)
      says("/encode/{how}", function(req, m) return m.crypto[req.params.how](req:body()) end)
      says("/decode/{how}", function(req, m)
        local bytes, why = m.crypto["from_" .. req.params.how](req:body())
        return bytes and "[" .. bytes .. "]" or why
      end)
      says("/round", function(req, m)
        local c, all = m.crypto, {}
        for i = 0, 255 do all[i + 1] = string.char(i) end
        all = table.concat(all):rep(40)
        for length = 0, 300 do
          local bytes = all:sub(1, length)
          assert(c.from_hex(c.hex(bytes)) == bytes)
          assert(c.from_base64(c.base64(bytes)) == bytes)
          assert(c.from_base64url(c.base64url(bytes)) == bytes)
        end
        assert(c.from_base64(c.base64(all)) == all and #all > 4096)
        assert(c.from_hex(c.hex(all)) == all)
        return "round"
      end)
      says("/random", function(req, m)
        local c = m.crypto
        return #c.random(1), #c.random(65536), c.random(16) == c.random(16)
      end)
      says("/random-bad", function(req, m)
        local outcomes = {}
        for _, count in ipairs { 0, -1, 1.5, 65537, 0 / 0, "x" } do
          outcomes[#outcomes + 1] = tostring((pcall(m.crypto.random, count)))
        end
        return table.concat(outcomes, " ")
      end)
      says("/equals", function(req, m)
        local equals = m.crypto.equals
        return equals("", ""), equals("abc", "abc"), equals("abc", "abd"), equals("abc", "ab")
      end)
    ]==] }
  end)

  teardown(gateway.stop_all)

  it("digests as FIPS 180-4 says", function()
    assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ask "/sha256")
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      ask("/sha256", "abc"))
    assert.equal("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
      ask("/sha256", ("a"):rep(1000000)))
  end)

  -- RFC 4231, cases 1, 2, 3 and 6.
  it("authenticates as RFC 4231 says", function()
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      ask("/hmac/" .. ("0b"):rep(20), "Hi There"))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      ask("/hmac/4a656665", "what do ya want for nothing?"))
    assert.equal("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
      ask("/hmac/" .. ("aa"):rep(20), ("\221"):rep(50)))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      ask("/hmac/" .. ("aa"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", ask "/hmac")
  end)

  -- RFC 5869, A.1 to A.3.
  it("derives keys as RFC 5869 says", function()
    local A = "/hkdf/%s/%d?salt=%s&info=%s"
    assert.equal("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b88718"
      .. "5865", ask(A:format(("0b"):rep(22), 42, "000102030405060708090a0b0c",
      "f0f1f2f3f4f5f6f7f8f9")))
    assert.equal("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a"
      .. "96c8", ask(A:format(("0b"):rep(22), 42, "", "")))
    assert.matches("no key can be made", ask(A:format("00", 8161, "", "")))
  end)

  it("encrypts so that all of it has to be as it was", function()
    assert.equal("opened", ask "/open")
  end)

  it("encrypts by AES-256-GCM under a key for each message", function()
    local code, out = process.run({ "node", "-e", [[
      const { createHmac, createDecipheriv } = require("crypto")
      const sealed = Buffer.from(process.argv[1], "hex"), tag = sealed.length - 16
      const key = createHmac("sha256", "k".repeat(32)).update("n".repeat(12)).digest()
      const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from("o".repeat(12)))
      decipher.setAAD(Buffer.from("bound")).setAuthTag(sealed.subarray(tag))
      process.stdout.write(decipher.update(sealed.subarray(0, tag), null, "utf8"))
      process.stdout.write(decipher.final("utf8"))]], ask("/seal", "what was said") })
    assert.equal(0, code)
    assert.equal("what was said", out)
  end)

  -- RFC 4648, 10.
  it("encodes and decodes as RFC 4648 says", function()
    local cases = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for bytes, text in pairs(cases) do
      assert.equal(text, ask("/encode/base64", bytes))
      assert.equal("[" .. bytes .. "]", ask("/decode/base64", text))
      local bare = text:gsub("=", "")
      assert.equal(bare, ask("/encode/base64url", bytes))
      assert.equal("[" .. bytes .. "]", ask("/decode/base64url", bare))
    end
    assert.equal("+/+/", ask("/encode/base64", "\251\255\191"))
    assert.equal("-_-_", ask("/encode/base64url", "\251\255\191"))
    assert.equal("666f6fff00", ask("/encode/hex", "foo\255\0"))
    assert.equal("[foo\255]", ask("/decode/hex", "666F6fff"))
  end)

  it("decodes all that it encodes", function() assert.equal("round", ask "/round") end)

  it("refuses every other spelling", function()
    for _, text in ipairs { "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm8", "Z", "=", "====",
      "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm 9v", "-_-_", "Zg=a", "Zm9v====", "\0\0\0\0", "\200AAA" } do
      assert.equal("this is not base64", ask("/decode/base64", text), text)
    end
    for _, text in ipairs { "Zg==", "Zh", "Z", "Zm9vY", "+/+/", "Zm8=", "Zm9v\n" } do
      assert.equal("this is not base64url", ask("/decode/base64url", text), text)
    end
    for _, text in ipairs { "6", "6g", "0x", "66 6", " 66", "66:6f" } do
      assert.equal("this is not hex", ask("/decode/hex", text), text)
    end
  end)

  it("makes random bytes, no two alike", function()
    assert.equal("1 65536 false", ask "/random")
    assert.equal("false false false false false false", ask "/random-bad")
  end)

  it("compares texts", function() assert.equal("true true false false", ask "/equals") end)

  it("can be used while a plugin is loaded", function()
    local code, _, err = gateway.run({ "check" }, {
      config = 'listen "127.0.0.1:0"\nroute "/" { plugins = { "loading" } }',
      files = probe.loading [[if #moongate.crypto.sha256(moongate.crypto.random(8)) ~= 32 then
        error "no" end]],
    })
    assert.equal(0, code, err)
  end)
end)
