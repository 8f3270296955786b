--- tls: contexts of runtime/net, and what OpenSSL tells about a connection.

local registry = debug.getregistry()
if registry.moongate_spec_tls then return registry.moongate_spec_tls end

local ffi = require "ffi"
local streams = require "spec.support.streams"
local system = require "spec.support.system"

local C = streams.C

ffi.cdef [[
  struct net_pem { const char *name; size_t name_length; const char *text; size_t text_length; };
  struct net_identity { struct net_pem certificate, key; };
  struct net_tls_server_options {
    const struct net_identity *identities; size_t identity_count;
    int client_certificate; struct net_pem client_authority, revoked; bool takes_expired_lists;
    const char *alpn; size_t alpn_length; int version_min;
  };
  struct net_tls_client_options {
    bool verify; struct net_pem authority; struct net_identity identity;
    const char *alpn; size_t alpn_length;
  };
  void *net_tls_create_server(const struct net_tls_server_options *, char *)
    __asm__("tls_context_create_server");
  void *net_tls_create_client(const struct net_tls_client_options *, char *)
    __asm__("tls_context_create_client");
  void net_tls_release(void **) __asm__("tls_context_release");
  void net_tls_set_ticket_secret(const char *) __asm__("tls_context_set_ticket_secret");
  int net_ssl_session_reused(const void *) __asm__("SSL_session_reused");
  long net_ssl_verify_result(const void *) __asm__("SSL_get_verify_result");
  const char *net_ssl_version(const void *) __asm__("SSL_get_version");
  const char *net_ssl_cipher(const void *) __asm__("SSL_CIPHER_get_name");
  const void *net_ssl_current_cipher(const void *) __asm__("SSL_get_current_cipher");
  void *net_ssl_peer_certificate(const void *) __asm__("SSL_get0_peer_certificate");
  const void *net_x509_subject(const void *) __asm__("X509_get_subject_name");
  char *net_x509_name_text(const void *, char *, int) __asm__("X509_NAME_oneline");
  int net_ssl_shutdown(void *) __asm__("SSL_shutdown");
  int net_ssl_do_handshake(void *) __asm__("SSL_do_handshake");
  int net_ssl_key_update(void *, int) __asm__("SSL_key_update");
]]

local tls = { TLS1_2 = 0x303, TLS1_3 = 0x304 }

local ASKED = { none = 0, optional = 1, required = 2 }

-- Protocol names as ALPN writes them.
local function wire(names)
  local parts = {}
  for _, name in ipairs(names or {}) do parts[#parts + 1] = string.char(#name) .. name end
  return table.concat(parts)
end

-- What stands in the file of that name; `kept` holds on to it until it has been read.
local function pem(path, kept)
  if not path then return nil end
  local text = assert(system.read_file(path))
  kept[#kept + 1] = text
  return { path, #path, text, #text }
end

local function identity(files, kept)
  return { certificate = pem(files.certificate, kept), key = pem(files.key, kept) }
end

local function create(constructor, options)
  local message = ffi.new "char[512]"
  local context = constructor(options, message)
  if context == nil then return nil, ffi.string(message) end
  return context
end

--- A server's context, or nil and what is wrong. All are paths.
---@param options { certificates: { certificate: string, key: string }[], client: string?,
--- authority: string?, alpn: string[]?, version_min: integer? }
function tls.server(options)
  local list, kept = ffi.new("struct net_identity[?]", #options.certificates), {}
  for i, each in ipairs(options.certificates) do
    list[i - 1] = ffi.new("struct net_identity", identity(each, kept))
  end
  local alpn = wire(options.alpn)
  return create(C.net_tls_create_server, ffi.new("struct net_tls_server_options", {
    identities = list, identity_count = #options.certificates,
    client_certificate = ASKED[options.client or "none"],
    client_authority = pem(options.authority, kept),
    alpn = alpn, alpn_length = #alpn, version_min = options.version_min or 0,
  }))
end

--- A client's context, or nil and what is wrong.
---@param options { verify: boolean?, authority: string?,
--- certificate: { certificate: string, key: string }?, alpn: string[]? }?
function tls.client(options)
  options = options or {}
  local alpn, kept = wire(options.alpn), {}
  return create(C.net_tls_create_client, ffi.new("struct net_tls_client_options", {
    verify = options.verify ~= false, authority = pem(options.authority, kept),
    identity = identity(options.certificate or {}, kept),
    alpn = alpn, alpn_length = #alpn,
  }))
end

function tls.release(context)
  C.net_tls_release(ffi.new("void *[1]", context))
end

--- The secret of all contexts made from now on.
function tls.set_ticket_secret(character)
  C.net_tls_set_ticket_secret(character:rep(80))
end

function tls.is_resumed(stream)
  return C.net_ssl_session_reused(stream:tls()) == 1
end

--- 0 is X509_V_OK.
function tls.verify_result(stream)
  return tonumber(C.net_ssl_verify_result(stream:tls()))
end

function tls.version(stream)
  return ffi.string(C.net_ssl_version(stream:tls()))
end

function tls.cipher(stream)
  return ffi.string(C.net_ssl_cipher(C.net_ssl_current_cipher(stream:tls())))
end

--- The subject of the other side's certificate, "/CN=name"; nil when it has none.
function tls.peer_subject(stream)
  local certificate = C.net_ssl_peer_certificate(stream:tls())
  if certificate == nil then return nil end
  local text = ffi.new "char[256]"
  return ffi.string(C.net_x509_name_text(C.net_x509_subject(certificate), text, 256))
end

--- Shakes hands over a new pair: the server's stream and the client's, both with their `fault`.
---@param options { peer: string? }? what the client takes the other end for
function tls.shake_hands(loop, server_context, client_context, name, options)
  local server, client = streams.pair(loop)
  server:accept_tls(server_context)
  client:connect_tls(client_context, name, options and options.peer)
  loop:run(function() return server.fault and client.fault end)
  return server, client
end

registry.moongate_spec_tls = tls
return tls
