--- authority: a certificate authority for specs, with whatever it issues.
--
--     local ca = authority.new()
--     local server = ca:issue { names = { "api.example.com", "*.example.org", "127.0.0.1" } }
--     -- server.cert, server.key, ca.cert: paths of PEM files
--     http.request(port, { tls = { ca = ca.cert, name = "api.example.com" } })

local process = require "spec.support.process"
local system = require "spec.support.system"

local authority = {}

---@class Authority
---@field cert string path of its certificate
---@field key string
---@field directory string
local Authority = {}
Authority.__index = Authority

local function openssl(...)
  local code, _, err = process.run { "openssl", ... }
  assert(code == 0, err)
end

local function new_key(path)
  openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
end

--- A certificate authority in a directory of its own.
---@param name string? default "Spec CA"
---@return Authority
function authority.new(name)
  local directory = system.temporary_directory()
  local self = setmetatable({ directory = directory, issued = 0 }, Authority)
  self.cert, self.key = directory .. "/ca.pem", directory .. "/ca.key"
  new_key(self.key)
  openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", "30",
          "-subj", "/CN=" .. (name or "Spec CA"),
          "-addext", "basicConstraints=critical,CA:TRUE",
          "-addext", "keyUsage=critical,keyCertSign,cRLSign")
  return self
end

local function alternative_names(names)
  local list = {}
  for i, name in ipairs(names) do
    local kind = (name:find "^%d+%.%d+%.%d+%.%d+$" or name:find ":") and "IP" or "DNS"
    list[i] = kind .. ":" .. name
  end
  return table.concat(list, ",")
end

--- Issues a certificate, for a server or for a client.
---@param options { names: string[], subject: string?, days: integer? }
--- names: host names, wildcards, addresses; subject: the common name, default the first name
---@return { cert: string, key: string } files
function Authority:issue(options)
  self.issued = self.issued + 1
  local base = ("%s/%d"):format(self.directory, self.issued)
  new_key(base .. ".key")
  openssl("req", "-new", "-key", base .. ".key", "-out", base .. ".csr",
          "-subj", "/CN=" .. (options.subject or options.names[1]))
  system.write_file(base .. ".ext", ("subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n")
    :format(alternative_names(options.names)))
  openssl("x509", "-req", "-in", base .. ".csr", "-CA", self.cert, "-CAkey", self.key,
          "-set_serial", tostring(self.issued + 1), "-days", tostring(options.days or 10),
          "-extfile", base .. ".ext", "-out", base .. ".pem")
  return { cert = base .. ".pem", key = base .. ".key" }
end

--- Removes all its files.
function Authority:remove()
  process.remove(self.directory)
end

return authority
