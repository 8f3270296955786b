--- bot-filter: admits or refuses requests by what their User-Agent contains.
--
-- Texts are looked for in any case, "*" stands for anything between two of them. What was found out
-- about a User-Agent is kept, so that the usual ones cost a look into a table, however long the
-- lists are. A User-Agent says what its sender likes: this keeps out who does not pretend.

local moongate = require "moongate"

local reply = moongate.reply

---@class BotFilter: Plugin
---@field allow string[][]     texts in their order, of each entry
---@field deny string[][]
---@field missing "allow"|"deny"
---@field young table<string, boolean>  whether a User-Agent is admitted
---@field old table<string, boolean>
---@field kept integer         of the young ones
local bot_filter = {
  summary = "Admits or refuses clients by their User-Agent.",
  options = {
    allow = { type = "list", items = { type = "string", help = "" }, default = {},
      help = 'texts whose clients are admitted, whatever `deny` says: "Googlebot", "curl/8*deb"' },
    deny = { type = "list", items = { type = "string", help = "" }, default = {},
      help = "texts whose clients are refused; none: all that are not allowed" },
    missing = { type = "string", values = { "allow", "deny" }, default = "allow",
      help = "what becomes of requests without a User-Agent" },
  },
}

-- Two tables of at most KEPT_MAX: when the young one is full it becomes the old one, whose entries
-- are dropped unless they are seen again. Longer texts are not kept.
local KEPT_MAX, KEPT_BYTES_MAX = 1024, 512

local FORBIDDEN = reply.problem(403, "client-not-allowed",
  "Requests of this client are not allowed.")

local function parts_of(text)
  local parts = {}
  for part in text:lower():gmatch "[^*]+" do parts[#parts + 1] = part end
  return parts
end

local function fault_of(name, list)
  for i, text in ipairs(list) do
    if #parts_of(text) == 0 then
      return ("%s[%d] is %q, which every User-Agent contains"):format(name, i, text)
    end
  end
  return nil
end

function bot_filter.check(options)
  if #options.allow == 0 and #options.deny == 0 then return "allow and deny are both empty" end
  return fault_of("allow", options.allow) or fault_of("deny", options.deny)
end

local function compiled(list)
  local entries = {}
  for i, text in ipairs(list) do entries[i] = parts_of(text) end
  return entries
end

function bot_filter.new(options)
  return { allow = compiled(options.allow), deny = compiled(options.deny), young = {}, old = {},
    kept = 0 }
end

local function contains(agent, parts)
  local at = 1
  for _, part in ipairs(parts) do
    local _, last = agent:find(part, at, true)
    if not last then return false end
    at = last + 1
  end
  return true
end

local function is_among(agent, entries)
  for _, parts in ipairs(entries) do
    if contains(agent, parts) then return true end
  end
  return false
end

local function decide(self, agent)
  agent = agent:lower()
  if is_among(agent, self.allow) then return true end
  return #self.deny > 0 and not is_among(agent, self.deny)
end

local function keep(self, agent, admits)
  if self.kept == KEPT_MAX then
    self.old, self.young, self.kept = self.young, {}, 0
  end
  self.young[agent] = admits
  self.kept = self.kept + 1
end

---@param req Request
---@return Reply?  ends the request when present
function bot_filter:request(req)
  local agent = req.headers["user-agent"]
  if not agent or agent == "" then return self.missing == "deny" and FORBIDDEN or nil end
  local admits = self.young[agent]
  if admits == nil then
    admits = self.old[agent]
    if admits == nil then admits = decide(self, agent) end
    if #agent <= KEPT_BYTES_MAX then keep(self, agent, admits) end
  end
  if admits then return nil end
  return FORBIDDEN
end

return bot_filter
