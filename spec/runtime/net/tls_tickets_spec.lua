local ffi = require "ffi"
local streams = require "spec.support.streams"
local C = streams.C

local registry = debug.getregistry()
if not registry.moongate_tls_tickets_spec then
  registry.moongate_tls_tickets_spec = true
  ffi.cdef [[
    struct net_tickets { struct { uint64_t epoch; char name[16], cipher[32], mac[32]; } keys[2]; };
    void net_tickets_set_secret(const char *) __asm__("tls_tickets_set_secret");
    struct net_ticket { char *name, *iv; void *cipher, *mac; };
    int net_tickets_seal(struct net_tickets *, uint64_t, const struct net_ticket *)
      __asm__("tls_tickets_seal");
    int net_tickets_open(struct net_tickets *, uint64_t, const struct net_ticket *)
      __asm__("tls_tickets_open");
    void *net_cipher_new(void) __asm__("EVP_CIPHER_CTX_new");
    void net_cipher_free(void *) __asm__("EVP_CIPHER_CTX_free");
    int net_cipher_update(void *, char *, int *, const char *, int) __asm__("EVP_CipherUpdate");
    int net_cipher_final(void *, char *, int *) __asm__("EVP_CipherFinal_ex");
    void *net_mac_fetch(void *, const char *, const char *) __asm__("EVP_MAC_fetch");
    void net_mac_free(void *) __asm__("EVP_MAC_free");
    void *net_mac_new(void *) __asm__("EVP_MAC_CTX_new");
    void net_mac_release(void *) __asm__("EVP_MAC_CTX_free");
    int net_mac_init(void *, const char *, size_t, void *) __asm__("EVP_MAC_init");
    int net_mac_update(void *, const char *, size_t) __asm__("EVP_MAC_update");
    int net_mac_final(void *, char *, size_t *, size_t) __asm__("EVP_MAC_final");
  ]]
end

local EPOCH = 43200
local NOW = 41000 * EPOCH + 5

-- Calls `prepare` with fresh contexts, then puts `bytes` through both: result, output, MAC.
local function through(prepare, bytes)
  local hmac = C.net_mac_fetch(nil, "HMAC", nil)
  local cipher, mac = C.net_cipher_new(), C.net_mac_new(hmac)
  local result = prepare(cipher, mac)
  local output, length, last, tag, tag_length = ffi.new "char[256]", ffi.new "int[1]",
    ffi.new "int[1]", ffi.new "char[64]", ffi.new "size_t[1]"
  if result > 0 then
    C.net_cipher_update(cipher, output, length, bytes, #bytes)
    C.net_cipher_final(cipher, output + length[0], last)
    C.net_mac_init(mac, nil, 0, nil)
    C.net_mac_update(mac, "sealed", 6)
    C.net_mac_final(mac, tag, tag_length, 64)
  end
  C.net_cipher_free(cipher)
  C.net_mac_release(mac)
  C.net_mac_free(hmac)
  return result, ffi.string(output, length[0] + last[0]), ffi.string(tag, tag_length[0])
end

local function in_c(ticket, cipher, mac)
  return ffi.new("struct net_ticket", ticket.name, ticket.iv, cipher, mac)
end

describe("tls_tickets", function()
  local function worker() return ffi.new "struct net_tickets" end

  setup(function() C.net_tickets_set_secret(("s"):rep(80)) end)

  local function seal(tickets, now, bytes)
    local ticket = { name = ffi.new "char[16]", iv = ffi.new "char[16]" }
    local result
    result, ticket.bytes, ticket.mac = through(function(cipher, mac)
      return C.net_tickets_seal(tickets, now, in_c(ticket, cipher, mac))
    end, bytes)
    assert.equal(1, result)
    return ticket
  end

  local function open(tickets, now, ticket)
    return through(function(cipher, mac)
      return C.net_tickets_open(tickets, now, in_c(ticket, cipher, mac))
    end, ticket.bytes)
  end

  it("opens in one worker what another sealed", function()
    local ticket = seal(worker(), NOW, "session")
    assert.is_nil(ticket.bytes:find "session")
    assert.same({ 1, "session", ticket.mac }, { open(worker(), NOW, ticket) })
  end)

  it("opens for one epoch more, asking for a new ticket", function()
    local ticket = seal(worker(), NOW, "session")
    assert.equal(1, (open(worker(), NOW + EPOCH - 6, ticket)))
    assert.same({ 2, "session", ticket.mac }, { open(worker(), NOW + EPOCH, ticket) })
    assert.equal(2, (open(worker(), NOW + 2 * EPOCH - 6, ticket)))
    assert.equal(0, (open(worker(), NOW + 2 * EPOCH, ticket)))
  end)

  it("changes its keys while it is used", function()
    local one = worker()
    local old = seal(one, NOW, "old")
    local new = seal(one, NOW + EPOCH, "new")
    assert.is_true(ffi.string(old.name, 16) ~= ffi.string(new.name, 16))
    assert.same({ 2, "old", old.mac }, { open(one, NOW + EPOCH, old) })
    assert.same({ 1, "new", new.mac }, { open(one, NOW + EPOCH, new) })
  end)

  it("does not open what it did not seal", function()
    local ticket = seal(worker(), NOW, "session")
    ticket.name[15] = ticket.name[15] + 1
    assert.equal(0, (open(worker(), NOW, ticket)))
  end)

  it("seals the same bytes differently each time", function()
    local one = worker()
    assert.is_true(seal(one, NOW, "session").bytes ~= seal(one, NOW, "session").bytes)
  end)

  it("has other keys for another secret", function()
    local ticket = seal(worker(), NOW, "session")
    C.net_tickets_set_secret(("t"):rep(80))
    local result = open(worker(), NOW, ticket)
    C.net_tickets_set_secret(("s"):rep(80))
    assert.equal(0, result)
  end)
end)
