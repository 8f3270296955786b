-- What the documentation shows is run; what is generated in it is as the code says.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local process = require "spec.support.process"
local system = require "spec.support.system"

local REFERENCES = { "plugins/README.md", "conf/README.md", "lua/README.md" }
local PAGES = { "README.md", "runtime/README.md", "lua/README.md", "plugins/README.md",
  "conf/README.md", "spec/README.md" }

local function read(path)
  return assert(system.read_file(path), path .. " is missing")
end

-- Fenced blocks of a page by their mark: ```lua check.
local function blocks(page, mark)
  local list = {}
  for block in read(page):gmatch("\n```" .. mark .. "\n(.-)\n```") do list[#list + 1] = block end
  return list
end

local function regenerated()
  local directory = system.temporary_directory()
  for _, name in ipairs(REFERENCES) do system.write_file(directory .. "/" .. name, "") end
  local code, _, err = process.run(
    { gateway.binary(), "check", "-c", "spec/docs/gateway.lua" },
    { env = { MOONGATE_DOCS_ROOT = system.absolute ".", MOONGATE_DOCS_OUT = directory } })
  local texts = {}
  for _, name in ipairs(REFERENCES) do texts[name] = read(directory .. "/" .. name) end
  process.remove(directory)
  assert.equal(0, code, err)
  return texts
end

-- The files that configurations on the pages name.
local function certificate_files()
  local directory = system.temporary_directory()
  local authority = certificates.authority(directory, "clients")
  local files = { ["certs/clients.pem"] = read(authority.certificate),
    ["certs/revoked.pem"] = authority:revocations {} }
  for _, name in ipairs { "api", "other" } do
    local issued = authority:issue { name = name, alternatives = "DNS:" .. name .. ".example.com" }
    files[("certs/%s.pem"):format(name)] = read(issued.certificate)
    files[("certs/%s.key"):format(name)] = read(issued.key)
  end
  process.remove(directory)
  return files
end

describe("the documentation", function()
  it("has references as ./dev docs makes them", function()
    for name, text in pairs(regenerated()) do
      assert.is_true(text == read(name), name .. " is stale; ./dev docs writes it anew")
    end
  end)

  it("has a heading for each library of lua/moongate/init.lua", function()
    local page, count = read "lua/README.md", 0
    for name in read("lua/moongate/init.lua"):gmatch "%-%-%-@field ([%l_]+)" do
      if system.read_file(("lua/moongate/%s.lua"):format(name)) then
        count = count + 1
        assert.truthy(page:find("\n### moongate." .. name .. "\n", 1, true), name)
      end
    end
    assert.is_true(count > 10)
  end)

  it("names every public function of the libraries", function()
    local page = read "lua/README.md"
    for name in read("lua/moongate/init.lua"):gmatch "%-%-%-@field ([%l_]+)" do
      local text = system.read_file(("lua/moongate/%s.lua"):format(name)) or ""
      for called in text:gmatch(("\nfunction %s%%.([%%w_]+)%%("):format(name)) do
        local shown = ("`moongate.%s.%s("):format(name, called)
        local is_internal = text:match("\n%-%-%- For [^\n]*\n[^\n]*\n?[^\n]*\n?function "
          .. name .. "%." .. called)
        assert.truthy(is_internal or page:find(shown, 1, true), shown)
      end
    end
  end)

  it("shows configurations that are good", function()
    local count, files = 0, certificate_files()
    for _, page in ipairs(PAGES) do
      for _, block in ipairs(blocks(page, "lua check")) do
        count = count + 1
        local code, _, err = gateway.run({ "check" }, { config = block, files = files,
          env = { MOBILE_KEY = "a", ADMIN_TOKEN = "b" } })
        assert.equal(0, code, page .. ": " .. err)
      end
    end
    assert.is_true(count >= 3)
  end)

  it("shows plugins that load and options that fit", function()
    local count = 0
    for _, page in ipairs(PAGES) do
      for _, block in ipairs(blocks(page, "lua plugin")) do
        count = count + 1
        local name = assert(block:match "^%-%-%- ([%l%d-]+):", page)
        local code, _, err = gateway.run({ "check" }, {
          config = ([[
            listen "127.0.0.1:0"
            route "GET /" { upstream = "http://127.0.0.1:9", plugins = { { "%s" } } }
          ]]):format(name),
          files = { [("plugins/%s.lua"):format(name)] = block },
        })
        assert.equal(0, code, page .. ": " .. err)
      end
    end
    assert.is_true(count >= 1)
  end)

  it("links to files that are there", function()
    for _, page in ipairs(PAGES) do
      local folder = page:match "^(.*/)" or ""
      for link in read(page):gmatch "%]%(([^)#:]+)%)" do
        assert.truthy(system.read_file(folder .. link), ("%s: %s"):format(page, link))
      end
    end
  end)
end)
