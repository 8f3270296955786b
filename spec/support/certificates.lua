--- certificates: authorities and certificates for specs, made by the openssl command.

local system = require "spec.support.system"

---@class Authority
---@field certificate string path of its certificate
---@field chain string?      what its certificates have behind them: PEM of an intermediate one
local Authority = {}
Authority.__index = Authority

local certificates = {}

local function run(command, ...)
  local pipe = io.popen("exec 2>&1; " .. command:format(...) .. " || echo FAILED")
  local output = pipe:read "*a"
  pipe:close()
  if output:find "FAILED" then error(output, 2) end
end

local KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

--- A new authority in `directory`.
---@param directory string
---@param name string of its files, and of itself
---@return Authority
function certificates.authority(directory, name)
  local base = directory .. "/" .. name
  run("openssl req -x509 %s -keyout '%s.key' -out '%s.pem' -subj '/CN=%s' -days 30", KEY, base,
    base, name)
  return setmetatable({
    base = base, directory = directory, certificate = base .. ".pem", count = 0,
  }, Authority)
end

--- A certificate of this authority, with its key: two paths.
---@param options { name: string, alternatives: string?, is_expired: boolean?, usage: string?,
--- is_authority: boolean? } the common name; subjectAltName and extendedKeyUsage as OpenSSL writes
--- them
---@return { certificate: string, key: string }
function Authority:issue(options)
  self.count = self.count + 1
  local path = ("%s-%d"):format(self.base, self.count)
  local extensions = { "basicConstraints=CA:" .. tostring(options.is_authority or false) }
  if options.alternatives then
    extensions[#extensions + 1] = "subjectAltName=" .. options.alternatives
  end
  if options.usage then extensions[#extensions + 1] = "extendedKeyUsage=" .. options.usage end
  system.write_file(path .. ".ext", table.concat(extensions, "\n") .. "\n")
  run("openssl req -new %s -keyout '%s.key' -out '%s.csr' -subj '/CN=%s'", KEY, path, path,
    options.name)
  run("openssl x509 -req -in '%s.csr' -CA '%s.pem' -CAkey '%s.key' -CAcreateserial -days %d "
    .. "-extfile '%s.ext' -out '%s.pem'", path, self.base, self.base,
    options.is_expired and -1 or 30, path, path)
  if self.chain then
    system.write_file(path .. ".pem", system.read_file(path .. ".pem") .. self.chain)
  end
  return { certificate = path .. ".pem", key = path .. ".key" }
end

--- An authority below this one.
---@param name string
---@return Authority
function Authority:authority(name)
  local own = self:issue { name = name, is_authority = true }
  return setmetatable({
    base = own.certificate:sub(1, -5), directory = self.directory, certificate = own.certificate,
    count = 0, chain = system.read_file(own.certificate),
  }, Authority)
end

local function serial_of(path)
  local pipe = io.popen(("openssl x509 -in '%s' -noout -serial"):format(path))
  local serial = pipe:read("*a"):match "=(%x+)"
  pipe:close()
  return serial
end

local function utc(seconds) return os.date("!%y%m%d%H%M%SZ", seconds) end

--- A list of the certificates that this authority has taken back, as PEM.
---@param revoked { certificate: string }[]
---@param is_expired boolean?  its nextUpdate is past
---@return string pem
function Authority:revocations(revoked, is_expired)
  local path, lines, now = self.base .. "-crl", {}, os.time()
  for i, one in ipairs(revoked) do
    lines[i] = ("R\t%s\t%s\t%s\tunknown\t/CN=%d\n"):format(utc(now + 864000), utc(now - 60),
      serial_of(one.certificate), i)
  end
  system.write_file(path .. ".index", table.concat(lines))
  system.write_file(path .. ".cnf", ("[ca]\ndefault_ca=own\n[own]\ndatabase=%s.index\n"
    .. "default_md=sha256\n"):format(path))
  run("openssl ca -gencrl -config '%s.cnf' -keyfile '%s.key' -cert '%s.pem' -crl_lastupdate %s "
    .. "-crl_nextupdate %s -out '%s.pem'", path, self.base, self.base, utc(now - 7200),
    utc(is_expired and now - 3600 or now + 3600), path)
  return system.read_file(path .. ".pem")
end

return certificates
