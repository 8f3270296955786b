--- socket_ends: which descriptors of processes are the two ends of one TCP connection.

local socket_ends = {}

-- "local port:remote port" of each socket of IPv4 by its inode.
local function ports_by_inode()
  local ports = {}
  for line in io.lines "/proc/net/tcp" do
    local from, to, more = line:match "^%s*%d+: %x+:(%x+) %x+:(%x+) (.*)$"
    local inode = more and more:match "^%S+ %S+ %S+ %S+%s+%d+%s+%d+ (%d+)"
    if inode then ports[inode] = { from, to } end
  end
  return ports
end

--- The other end of each descriptor, by thread and descriptor.
---@param pids integer[]
---@return table<integer, table<integer, { pid: integer, fd: integer }>>
function socket_ends.find(pids)
  local inodes, by_ports, ends = ports_by_inode(), {}, {}
  for _, pid in ipairs(pids) do
    ends[pid] = {}
    local pipe = io.popen(("find /proc/%d/fd -type l -printf '%%f %%l\\n'"):format(pid))
    for fd, inode in pipe:read("*a"):gmatch "(%d+) socket:%[(%d+)%]" do
      local ports = inodes[inode]
      if ports then by_ports[ports[1] .. ":" .. ports[2]] = { pid = pid, fd = tonumber(fd) } end
    end
    pipe:close()
  end
  for key, one in pairs(by_ports) do
    local from, to = key:match "^(%x+):(%x+)$"
    ends[one.pid][one.fd] = by_ports[to .. ":" .. from]
  end
  return ends
end

return socket_ends
