--- tls_socket: encrypted streams over spec.support.socket, as a client or a server of specs.
--
-- Through OpenSSL itself: a spec chooses the version, the name, the identity and the session.

local ffi = require "ffi"
local socket = require "spec.support.socket"
local system = require "spec.support.system"

local tls_socket = {}

pcall(ffi.cdef, [[
  const void *spec_client_method(void) __asm__("TLS_client_method");
  const void *spec_server_method(void) __asm__("TLS_server_method");
  void *spec_ctx_new(const void *) __asm__("SSL_CTX_new");
  void spec_ctx_free(void *) __asm__("SSL_CTX_free");
  int spec_ctx_chain(void *, const char *) __asm__("SSL_CTX_use_certificate_chain_file");
  int spec_ctx_key(void *, const char *, int) __asm__("SSL_CTX_use_PrivateKey_file");
  int spec_ctx_verify(void *, const char *, const char *) __asm__("SSL_CTX_load_verify_locations");
  void spec_ctx_mode(void *, int, void *) __asm__("SSL_CTX_set_verify");
  long spec_ctx_ctrl(void *, int, long, void *) __asm__("SSL_CTX_ctrl");
  void *spec_ssl_new(void *) __asm__("SSL_new");
  void spec_ssl_free(void *) __asm__("SSL_free");
  int spec_ssl_set_fd(void *, int) __asm__("SSL_set_fd");
  long spec_ssl_ctrl(void *, int, long, void *) __asm__("SSL_ctrl");
  int spec_ssl_set1_host(void *, const char *) __asm__("SSL_set1_host");
  int spec_ssl_connect(void *) __asm__("SSL_connect");
  int spec_ssl_accept(void *) __asm__("SSL_accept");
  int spec_ssl_read(void *, void *, int) __asm__("SSL_read");
  int spec_ssl_write(void *, const void *, int) __asm__("SSL_write");
  int spec_ssl_shutdown(void *) __asm__("SSL_shutdown");
  int spec_ssl_get_error(const void *, int) __asm__("SSL_get_error");
  int spec_ssl_reused(const void *) __asm__("SSL_session_reused");
  void *spec_ssl_get1_session(void *) __asm__("SSL_get1_session");
  int spec_ssl_set_session(void *, void *) __asm__("SSL_set_session");
  void spec_session_free(void *) __asm__("SSL_SESSION_free");
  const char *spec_ssl_version(const void *) __asm__("SSL_get_version");
  const char *spec_ssl_name(const void *, int) __asm__("SSL_get_servername");
  void *spec_ssl_peer(const void *) __asm__("SSL_get1_peer_certificate");
  void *spec_x509_subject(const void *) __asm__("X509_get_subject_name");
  char *spec_x509_text(const void *, char *, int) __asm__("X509_NAME_oneline");
  void spec_x509_free(void *) __asm__("X509_free");
  unsigned long spec_err_get(void) __asm__("ERR_get_error");
  void spec_err_text(unsigned long, char *, size_t) __asm__("ERR_error_string_n");
]])

local SSL = ffi.load "libssl.so.3"

local WANT_READ, WANT_WRITE, SYSCALL, ZERO_RETURN = 2, 3, 5, 6
local SET_MIN_VERSION, SET_MAX_VERSION, SET_SERVER_NAME = 123, 124, 55
local VERSIONS = { ["1.2"] = 0x303, ["1.3"] = 0x304 }

---@class TlsSocket: Socket
---@field ssl ffi.cdata*
local TlsSocket = setmetatable({}, { __index = socket.Socket })
TlsSocket.__index = TlsSocket

local function last_error()
  local text = ffi.new "char[256]"
  local code = SSL.spec_err_get()
  if code == 0 then return "closed" end
  SSL.spec_err_text(code, text, 256)
  return ffi.string(text)
end

local function load_identity(context, options)
  if not options.cert then return end
  assert(SSL.spec_ctx_chain(context, options.cert) == 1, options.cert)
  assert(SSL.spec_ctx_key(context, options.key, 1) == 1, options.key)
end

local function new_context(method, options)
  local context = SSL.spec_ctx_new(method)
  load_identity(context, options)
  if options.ca then
    assert(SSL.spec_ctx_verify(context, options.ca, nil) == 1, options.ca)
    SSL.spec_ctx_mode(context, 3, nil)
  end
  if options.version then
    SSL.spec_ctx_ctrl(context, SET_MIN_VERSION, VERSIONS[options.version], nil)
    SSL.spec_ctx_ctrl(context, SET_MAX_VERSION, VERSIONS[options.version], nil)
  end
  return context
end

-- Repeats an operation until it neither wants to read nor to write.
local function complete(self, operation, ...)
  while true do
    local count = operation(self.ssl, ...)
    if count > 0 then return count end
    local problem = SSL.spec_ssl_get_error(self.ssl, count)
    local events = problem == WANT_READ and system.POLLIN
      or problem == WANT_WRITE and system.POLLOUT
    if not events then
      if problem == ZERO_RETURN then return nil, "closed" end
      if problem == SYSCALL then return nil, "reset" end
      return nil, last_error()
    end
    if not socket.wait(self.fd, events, self.seconds) then return nil, "timeout" end
  end
end

local function wrap(stream, method, options, prepare)
  local context = new_context(method, options)
  local self = setmetatable({}, TlsSocket)
  for name, value in pairs(stream) do self[name] = value end
  self.ssl = SSL.spec_ssl_new(context)
  SSL.spec_ctx_free(context)
  SSL.spec_ssl_set_fd(self.ssl, self.fd)
  local ok, why = prepare(self)
  if not ok then
    self:close()
    error("TLS handshake failed: " .. why, 0)
  end
  return self
end

--- Encrypts a connected stream, as its client; raises when the handshake fails.
---@param stream Socket is not used any more
---@param options table `ca`: whom to trust, no verification without; `name`: server name to ask
--- for (and to verify); `cert`, `key`: own identity; `version`: "1.2" or "1.3" only; `session`:
--- from TlsSocket:session(), to be resumed
---@return TlsSocket
function tls_socket.client(stream, options)
  return wrap(stream, SSL.spec_client_method(), options, function(self)
    if options.name then
      SSL.spec_ssl_ctrl(self.ssl, SET_SERVER_NAME, 0, ffi.cast("void *", options.name))
      if options.ca then SSL.spec_ssl_set1_host(self.ssl, options.name) end
    end
    if options.session then SSL.spec_ssl_set_session(self.ssl, options.session) end
    return complete(self, SSL.spec_ssl_connect)
  end)
end

--- Encrypts an accepted stream, as its server; raises when the handshake fails.
---@param stream Socket is not used any more
---@param options table `cert`, `key`; `ca`: clients must have a certificate of it; `version`
---@return TlsSocket
function tls_socket.server(stream, options)
  return wrap(stream, SSL.spec_server_method(), options, function(self)
    return complete(self, SSL.spec_ssl_accept)
  end)
end

local chunk = ffi.new("char[?]", 65536)

function TlsSocket:receive_some(bytes_max)
  if self.unread ~= "" then return socket.Socket.receive_some(self, bytes_max) end
  local count, why = complete(self, SSL.spec_ssl_read, chunk, math.min(bytes_max or 65536, 65536))
  if not count then return nil, why end
  local bytes = ffi.string(chunk, count)
  if self.recorder then self.recorder(bytes) end
  return bytes
end

function TlsSocket:discard(length)
  local count = 0
  while not length or count < length do
    local bytes, why = self:receive_some(length and length - count)
    if not bytes then return count, why end
    count = count + #bytes
  end
  return count
end

function TlsSocket:send(bytes)
  for i = 1, #bytes, 65536 do
    local piece = bytes:sub(i, i + 65535)
    local sent = 0
    while sent < #piece do
      local rest = piece:sub(sent + 1)
      local count, why = complete(self, SSL.spec_ssl_write, rest, #rest)
      if not count then return nil, why end
      sent = sent + count
    end
  end
  return #bytes
end

--- "TLSv1.2" or "TLSv1.3".
---@return string
function TlsSocket:version()
  return ffi.string(SSL.spec_ssl_version(self.ssl))
end

--- Whether the handshake resumed an earlier session.
---@return boolean
function TlsSocket:is_resumed()
  return SSL.spec_ssl_reused(self.ssl) == 1
end

--- The session, to resume; with TLS 1.3 only after something was received.
---@return ffi.cdata* session
function TlsSocket:session()
  return ffi.gc(SSL.spec_ssl_get1_session(self.ssl), SSL.spec_session_free)
end

--- The name the client asked for, or nil.
---@return string|nil
function TlsSocket:server_name()
  local name = SSL.spec_ssl_name(self.ssl, 0)
  return name ~= nil and ffi.string(name) or nil
end

--- The subject of the other side's certificate ("/CN=api.example.com"), or nil.
---@return string|nil
function TlsSocket:peer_subject()
  local certificate = SSL.spec_ssl_peer(self.ssl)
  if certificate == nil then return nil end
  local text = ffi.new "char[512]"
  SSL.spec_x509_text(SSL.spec_x509_subject(certificate), text, 512)
  SSL.spec_x509_free(certificate)
  return ffi.string(text)
end

--- Says goodbye, so that the other side sees an orderly end; reading goes on.
function TlsSocket:finish()
  SSL.spec_ssl_shutdown(self.ssl)
end

function TlsSocket:close()
  if self.ssl then SSL.spec_ssl_free(self.ssl) end
  self.ssl = nil
  socket.Socket.close(self)
end

return tls_socket
