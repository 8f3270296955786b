--- certificates: authorities and certificates for specs, made by the openssl command.

local system = require "spec.support.system"

---@class Authority
---@field certificate string path of its certificate
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
---@param options { name: string, alternatives: string?, is_expired: boolean?, usage: string? } the
--- common name; subjectAltName and extendedKeyUsage as OpenSSL writes them
---@return { certificate: string, key: string }
function Authority:issue(options)
  self.count = self.count + 1
  local path = ("%s-%d"):format(self.base, self.count)
  local extensions = { "basicConstraints=CA:false" }
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
  return { certificate = path .. ".pem", key = path .. ".key" }
end

return certificates
