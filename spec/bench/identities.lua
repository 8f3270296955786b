--- identities: what a load shows of itself that wrk's command line cannot say: signatures that
--- count once, a certificate.

local configurations = require "spec.bench.configurations"
local ports = require "spec.support.ports"

local identities = {}

-- For wrk, which is linked with OpenSSL: each request has a signature of its own (RFC 9421).
identities.signing = [=[
local ffi = require "ffi"
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *HMAC(const void *digest, const void *key, int key_length, const char *text,
                      size_t length, unsigned char *code, unsigned *code_length);
  int EVP_EncodeBlock(char *text, const unsigned char *bytes, int length);
]]
local SECRET = "of-the-bench"
local code, text = ffi.new "unsigned char[32]", ffi.new "char[48]"
local count, start = 0, tostring(ffi.cast("intptr_t", ffi.new "char[1]")) .. os.time()

function request()
  count = count + 1
  local path, query = wrk.path:match "^([^?]*)(.*)$"
  local parameters = ('("@method" "@authority" "@path" "@query");created=%d;keyid="bench";'
    .. 'alg="hmac-sha256";nonce="%s.%d"'):format(os.time(), start, count)
  local base = ('"@method": GET\n"@authority": %s\n"@path": %s\n"@query": %s\n'
    .. '"@signature-params": %s'):format(wrk.headers["Host"], path,
    query == "" and "?" or query, parameters)
  ffi.C.HMAC(ffi.C.EVP_sha256(), SECRET, #SECRET, base, #base, code, nil)
  local length = ffi.C.EVP_EncodeBlock(text, code, 32)
  wrk.headers["Signature-Input"] = "a=" .. parameters
  wrk.headers["Signature"] = "a=:" .. ffi.string(text, length) .. ":"
  return wrk.format "GET"
end
]=]

--- What takes requests without TLS and passes them on over TLS and with a certificate to a listener
--- of the program: wrk has none to show.
---@param set Programs
---@param program Program
---@param tls_port integer  of the program
---@return Program  the same process at another port
function identities.tunnel(set, program, tls_port)
  local port = ports.free()
  local issued = set:certificate "client"
  set:start_haproxy("tunnel-" .. port, port,
    configurations.tunnel:format(port, tls_port, issued.bundle))
  return { pid = program.pid, port = port }
end

return identities
