--- socket_peers: which descriptors of processes are the two ends of one TCP connection.

local socket_peers = {}

-- Local and remote port of each socket of IPv4 by its inode.
local function ports_by_inode()
  local ports = {}
  for line in io.lines "/proc/net/tcp" do
    local from, to, more = line:match "^%s*%d+: %x+:(%x+) %x+:(%x+) (.*)$"
    local inode = more and more:match "^%S+ %S+ %S+ %S+%s+%d+%s+%d+ (%d+)"
    if inode then ports[inode] = { from, to } end
  end
  return ports
end

--- The peer of each descriptor, by thread and descriptor.
---@param tids integer[]  one thread of each process
---@return table<integer, table<integer, { tid: integer, fd: integer }>>
function socket_peers.find(tids)
  local inodes, by_ports, peers = ports_by_inode(), {}, {}
  for _, tid in ipairs(tids) do
    peers[tid] = {}
    local pipe = io.popen(("find /proc/%d/fd -type l -printf '%%f %%l\\n'"):format(tid))
    for fd, inode in pipe:read("*a"):gmatch "(%d+) socket:%[(%d+)%]" do
      local ports = inodes[inode]
      if ports then by_ports[ports[1] .. ":" .. ports[2]] = { tid = tid, fd = tonumber(fd) } end
    end
    pipe:close()
  end
  for key, one in pairs(by_ports) do
    local from, to = key:match "^(%x+):(%x+)$"
    peers[one.tid][one.fd] = by_ports[to .. ":" .. from]
  end
  return peers
end

return socket_peers
